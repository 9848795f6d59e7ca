"""Turns what `cargo metadata` says of the server into CycloneDX 1.5; see `sbom`."""

import json
import sys
import tomllib


def reached(metadata, root):
    """The ids of all packages that the root links, build scripts and tests left out."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    seen, todo = set(), [root]
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        for dep in nodes[one]["deps"]:
            if any(kind["kind"] is None for kind in dep["dep_kinds"]):
                todo.append(dep["pkg"])
    return seen, nodes


def component(package, checksums):
    name, version = package["name"], package["version"]
    purl = f"pkg:cargo/{name}@{version}"
    made = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if package.get("license"):
        made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum := checksums.get((name, version)):
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return made


def main():
    metadata = json.load(sys.stdin)
    with open("Cargo.lock", "rb") as lock:
        locked = tomllib.load(lock)["package"]
    checksums = {(it["name"], it["version"]): it.get("checksum") for it in locked}
    packages = {package["id"]: package for package in metadata["packages"]}
    root = next(it["id"] for it in metadata["packages"] if it["name"] == "evenkeel")
    seen, nodes = reached(metadata, root)
    made = {one: component(packages[one], checksums) for one in seen}
    order = sorted(seen, key=lambda one: made[one]["bom-ref"])
    links = [
        {
            "ref": made[one]["bom-ref"],
            "dependsOn": sorted({
                made[dep["pkg"]]["bom-ref"] for dep in nodes[one]["deps"] if dep["pkg"] in seen
            }),
        }
        for one in order
    ]
    json.dump(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": {"component": {**made[root], "type": "application"}},
            "components": [made[one] for one in order if one != root],
            "dependencies": links,
        },
        sys.stdout,
        indent=1,
    )
    print()


if __name__ == "__main__":
    main()
