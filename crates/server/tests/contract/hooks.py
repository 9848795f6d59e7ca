"""What the API document cannot say, for schemathesis, and the check that replaces its own of what is
accepted: a request that fits the document is never refused for its form. Whether it is refused for
what the shop holds (sold out, over a limit, a key that was used) is no matter of form."""

import re
import uuid

import schemathesis
from schemathesis import GenerationMode

KEY = re.compile(r'[!#-~]{1,255}|"[!#-~]{1,255}"')
UNKNOWN = "x-schemathesis-unknown-property"
TIME = re.compile(r"\d{4}-\d\d-\d\dT.*")
FORM = {
    "bad_cursor",
    "bad_id",
    "bad_key",
    "bad_text",
    "duplicate_member",
    "malformed_json",
    "media_type",
    "not_acceptable",
    "schema",
    "too_deep",
    "unknown_member",
}


@schemathesis.hook
def before_call(context, case, kwargs):
    headers, query, body = case.headers, case.query, case.body
    if headers is not None:
        # A key is used once, a deadline lies ahead, versions and positions are those of answers.
        if KEY.fullmatch(str(headers.get("Idempotency-Key", ""))):
            headers["Idempotency-Key"] = str(uuid.uuid4())
        if TIME.fullmatch(str(headers.get("Evenkeel-Deadline", ""))):
            headers["Evenkeel-Deadline"] = "2999-01-01T00:00:00Z"
        headers.pop("If-Match", None)
        headers.pop("Evenkeel-Position", None)
    # A cursor is one that a page gave.
    if query and isinstance(query.get("cursor"), str):
        del query["cursor"]
    if isinstance(body, (dict, list)):
        case.body = whole(body)
    if isinstance(body, dict):
        means(case.operation.path, case.body)


@schemathesis.hook
def filter_case(context, case):
    # A server must not refuse headers that it does not know.
    return not case.headers or UNKNOWN not in case.headers


def whole(value):
    """Whole numbers as JSON for exact numbers has them: 7.0 is one to a schema, and refused here."""
    if isinstance(value, dict):
        return {name: whole(member) for name, member in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def means(path, body):
    """Makes a body that has the right form mean something."""
    # Who acts for no customer names one.
    if path in ("/v1/holds", "/v1/orders", "/v1/carts") or body.get("role") == "buyer":
        body.setdefault("customer", "c-1")
    elif path == "/v1/tokens" and isinstance(body.get("role"), str):
        body.pop("customer", None)
    # A sale ends after it begins.
    if isinstance(body.get("sale"), dict) and "opens_at" in body["sale"]:
        body["sale"].pop("closes_at", None)
    # Steps have names of their own.
    for number, step in enumerate(some(body, "steps")):
        if isinstance(step, dict) and isinstance(step.get("name"), str):
            step["name"] = f"{step['name'][:60]}{number}"
    # Nothing is told again that has not happened.
    if path.endswith("/replay") and isinstance(body.get("from"), int):
        body["from"] = min(body["from"], 1)
    # The longest life is a setting.
    if isinstance(body.get("ttl_ms"), int):
        body["ttl_ms"] = min(body["ttl_ms"], 60_000)
    # Posts go to the public internet, by names.
    for of in [body] + [step for step in some(body, "steps") if isinstance(step, dict)]:
        for name in ("url", "undo_url"):
            if isinstance(of.get(name), str):
                of[name] = "http://shop.example/"
    # Two locations, and one reason for a change of stock.
    if path.endswith("/transfer") and body.get("from") == body.get("to"):
        body["to"] = f"{body.get('to')}-2"
    for line in some(body, "lines"):
        if path == "/v1/stock/import" and isinstance(line, dict):
            line.pop("reference", None)
            line.setdefault("reason", "counted")


def some(body, name):
    found = body.get(name)
    return found if isinstance(found, list) else []


@schemathesis.check
def what_fits_is_not_refused_for_its_form(context, response, case):
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if response.headers.get("content-type", [""])[0] != "application/problem+json":
        return
    if case.media_type not in (None, "application/json"):
        return
    problem = response.json()
    # That is about what the cart holds, not about the body.
    is_checkout = case.operation.path.endswith("/checkout")
    if is_checkout and [one["pointer"] for one in problem.get("violations", [])] == ["/lines"]:
        return
    assert problem["code"] not in FORM, f"{problem['code']}: {problem.get('violations')}"
