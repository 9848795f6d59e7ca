//! What ships beside the binary: container, compose, systemd unit, manual, completions, the list of
//! what is in it. No container is built here: what a build would find wrong is looked for instead.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_evenkeel");

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(name: &str) -> String {
    let text = std::fs::read_to_string(top().join(name));
    text.unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn run(arguments: &[&str]) -> Output {
    let output = Command::new(BINARY).args(arguments).output();
    output.expect("the binary was built for this test")
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("it is text")
}

/// What stands behind the one line that begins so.
fn behind<'a>(text: &'a str, begin: &str) -> &'a str {
    let mut lines = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(begin));
    let found = lines
        .next()
        .unwrap_or_else(|| panic!("there is no {begin}"));
    assert_eq!(lines.next(), None, "{begin} stands there once");
    found
}

/// Words of a command line that this build understands, but for what they would do.
fn assert_parses(words: &[&str]) {
    let output = run(&[words, &["--help"]].concat());
    assert!(output.status.success(), "{words:?}: {output:?}");
}

#[test]
fn the_container_starts_a_command_that_there_is_and_is_built_as_this_is() {
    let file = text("packaging/Containerfile");
    let command: Vec<String> = serde_json::from_str(behind(&file, "CMD ")).expect("a JSON list");
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    assert_parses(&words);
    let manifest: toml::Table = text("Cargo.toml").parse().expect("it is TOML");
    let rust = manifest["workspace"]["package"]["rust-version"].as_str();
    let base = format!("rust:{}-slim-bookworm AS build", rust.expect("a version"));
    assert!(file.contains(&base), "the Containerfile builds with {base}");
    let server: toml::Table = text("crates/server/Cargo.toml")
        .parse()
        .expect("it is TOML");
    let features = file.split("--features ").nth(1).expect("features");
    let features = features.split_whitespace().next().expect("features");
    for feature in features.split(',') {
        assert!(
            server["features"].get(feature).is_some(),
            "no feature {feature}"
        );
    }
}

#[test]
fn every_setting_that_is_shipped_is_one() {
    let compose = text("packaging/compose.yaml");
    let settings = compose
        .lines()
        .filter_map(|line| line.trim().split_once(": "));
    let settings = settings.filter(|(name, _)| name.starts_with("EVENKEEL_"));
    let settings: Vec<(&str, &str)> = settings.collect();
    assert_eq!(settings.len(), 2, "{settings:?}");
    let room = tempfile::tempdir().expect("a temporary directory can be made");
    let secret = room.path().join("db-password");
    std::fs::write(&secret, "secret").expect("a file can be written");
    let mut check = Command::new(BINARY);
    check.args(["config", "check"]).current_dir(room.path());
    for (name, value) in settings {
        // The one that names a file of the container names one that is here.
        match value.starts_with("/run/secrets/") {
            true => check.env(name, &secret),
            false => check.env(name, value),
        };
    }
    let output = check.output().expect("the binary was built for this test");
    let said = String::from_utf8_lossy(&output.stderr);
    // A build without PostgreSQL knows the setting, and says that it cannot serve with it.
    let is_known = output.status.success() || said.contains("--features postgres");
    assert!(is_known, "{output:?}");
    assert!(compose.contains("fsync=on") && compose.contains("condition: service_healthy"));
}

#[test]
fn the_systemd_unit_is_one_that_systemd_takes() {
    let unit = text("packaging/evenkeel.service");
    let start = behind(&unit, "ExecStart=");
    let (program, rest) = start.split_once(' ').expect("arguments");
    assert_parses(&rest.split(' ').collect::<Vec<_>>());
    let directory = format!("/var/lib/{}", behind(&unit, "StateDirectory="));
    assert!(
        rest.ends_with(&directory),
        "it serves from its state directory"
    );
    // The program and its manual are not installed here.
    let here = unit.replace(program, BINARY);
    let here: Vec<&str> = here
        .lines()
        .filter(|line| !line.starts_with("Documentation="))
        .collect();
    let room = tempfile::tempdir().expect("a temporary directory can be made");
    let path = room.path().join("evenkeel.service");
    std::fs::write(&path, here.join("\n")).expect("a file can be written");
    match Command::new("systemd-analyze")
        .arg("verify")
        .arg(&path)
        .output()
    {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let ours = said.lines().find(|line| line.contains("evenkeel.service"));
            assert!(output.status.success() && ours.is_none(), "{said}");
        }
        Err(_) => eprintln!("skipped: there is no systemd-analyze"),
    }
}

#[test]
fn the_manual_has_a_page_for_every_command_and_completions_name_them() {
    let first = printed(&run(&["man"]));
    assert!(first.contains(".TH evenkeel 1"), "{first}");
    let room = tempfile::tempdir().expect("a temporary directory can be made");
    let out = room.path().to_str().expect("a path in ASCII");
    printed(&run(&["man", "--out", out]));
    for page in ["evenkeel", "evenkeel-explain", "evenkeel-stock-receive"] {
        let path = Path::new(out).join(format!("{page}.1"));
        assert!(path.exists(), "there is no page {page}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&run(&["completions", shell]));
        assert!(
            script.contains("explain") && script.contains("as-of"),
            "{shell}"
        );
    }
}

#[test]
fn the_version_is_that_of_the_sources_and_names_no_moment() {
    let manifest: toml::Table = text("Cargo.toml").parse().expect("it is TOML");
    let release = manifest["workspace"]["package"]["version"].as_str();
    let commit = option_env!("EVENKEEL_COMMIT").filter(|commit| !commit.is_empty());
    let commit = commit.map_or_else(String::new, |commit| format!(" ({commit})"));
    let wanted = format!("evenkeel {}{commit}\n", release.expect("a version"));
    assert_eq!(printed(&run(&["--version"])), wanted);
}

#[test]
fn the_list_of_what_is_in_it_is_whole_and_the_same_each_time() {
    let list = || {
        let output = Command::new(top().join("packaging/sbom")).output();
        printed(&output.expect("there is bash, cargo and python3"))
    };
    let (one, other) = (list(), list());
    assert_eq!(one, other);
    let list: Value = serde_json::from_str(&one).expect("it is JSON");
    assert_eq!(list["bomFormat"], "CycloneDX");
    let parts = list["components"].as_array().expect("components");
    let of = |name: &str| parts.iter().find(|part| part["name"] == name);
    for name in ["evenkeel-rules", "evenkeel-engine", "rusqlite", "tokio"] {
        assert!(of(name).is_some(), "{name} is missing");
    }
    assert_eq!(of("proptest"), None, "tests are not shipped");
    for part in parts {
        assert!(part["licenses"].is_array(), "no licence: {part}");
        let own = part["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("evenkeel"));
        assert!(own || part["hashes"].is_array(), "no checksum: {part}");
    }
}

/// What `cargo metadata` says of our crates.
fn crates() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(top())
        .output();
    let told: Value = serde_json::from_str(&printed(&output.expect("cargo runs"))).expect("JSON");
    told["packages"].as_array().expect("packages").clone()
}

#[test]
fn every_crate_says_what_it_is_and_packs_all_that_its_build_reads() {
    let crates = crates();
    assert_eq!(crates.len(), 4);
    for one in &crates {
        let name = one["name"].as_str().expect("a name");
        for member in ["description", "license", "readme", "rust_version"] {
            assert!(one[member].is_string(), "{name} has no {member}");
        }
        assert!(
            one["keywords"].as_array().is_some_and(|it| !it.is_empty()),
            "{name}"
        );
        let dependencies = one["dependencies"].as_array().expect("dependencies").iter();
        let mut own = dependencies.filter(|it| it["path"].is_string() && it["kind"].is_null());
        assert!(
            own.all(|it| it["req"] != "*"),
            "{name} names no version of ours"
        );
        let packed = Command::new(env!("CARGO"))
            .args([
                "package",
                "--list",
                "--allow-dirty",
                "--offline",
                "--package",
                name,
            ])
            .current_dir(top())
            .output();
        let packed = printed(&packed.expect("cargo runs"));
        let must = match name {
            "evenkeel" => "docs/stories/happy.md",
            "evenkeel-engine" => "src/store/sqlite/squeeze/dictionary.zstd",
            _ => "src/lib.rs",
        };
        assert!(
            packed.lines().any(|line| line == must),
            "{name} packs no {must}"
        );
    }
}
