use super::*;
use serde_json::json;

fn entry(position: u64, at: &str, what: &str) -> Value {
    json!({"position": position, "at": at, "what": what, "by": "t-1 asked: take order",
           "follows": null})
}

#[test]
fn what_became_so_at_once_stands_together_with_the_finding_that_began_there() {
    let told = story(
        &json!({
            "kind": "order", "id": "o-1", "state": "PAID", "as_of": "main.1:9",
            "entries": [
                entry(7, "2026-11-22T14:15:14.968Z", "a: one"),
                entry(7, "2026-11-22T14:15:14.968Z", "b: two"),
                {"position": 9, "at": "2026-11-23T00:00:00.000Z", "what": "c: three",
                 "by": "the sweep: a deadline had passed", "follows": 7},
            ],
            "findings": [{"kind": "saga_stuck", "position": 7, "detail": "look"},
                         {"kind": "money_adrift", "position": 8, "detail": "count"}],
            "next": [{"who": "a person", "expected": "do it", "by": null, "else": "it waits"},
                     {"who": "the clock", "expected": "tick",
                      "by": "2026-11-23T01:02:03.000Z", "else": "none"}],
            "also": [{"kind": "hold", "id": "o-1"}],
        }),
        false,
    );
    let expected = "\
order o-1: PAID (as of main.1:9)
A person is needed: see !! saga_stuck at 7, !! money_adrift at 8

2026-11-22 (UTC)
14:15:14.968  [7] t-1 asked: take order
    a: one
    b: two
    !! saga_stuck: look

2026-11-23 (UTC)
00:00:00.000  [9] <- [7] the sweep: a deadline had passed
    c: three
    !! money_adrift: count

Waits for a person
    do it
    else: it waits
Waits for the clock, until 2026-11-23 01:02:03
    tick
    else: none
The id is also of a hold: evenkeel explain hold o-1";
    assert_eq!(told, expected);
}

#[test]
fn what_follows_a_line_that_is_too_long_stands_below_its_text() {
    let long = "word ".repeat(30);
    let lines = wrapped(&format!("    {}", long.trim_end()));
    assert!(lines[1].starts_with("      word"), "{lines:?}");
    let lines = wrapped(long.trim_end());
    assert!(lines[1].starts_with("    word"), "{lines:?}");
}

#[test]
fn the_past_says_so_and_an_end_waits_for_nothing() {
    let bare = json!({"kind": "hold", "id": "h-1", "state": "released", "as_of": "main.1:2"});
    assert!(story(&bare, true).ends_with("what came next is not told."));
    assert!(story(&bare, false).ends_with("Nothing is waited for."));
}
