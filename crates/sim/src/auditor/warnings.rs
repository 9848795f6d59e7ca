//! Being told that an order runs out: once for each limit, before it, and while the order waits.

use super::model::{Event, number, text};
use serde_json::{Value, json};

/// How long before its limit an order is told of it, in microseconds.
fn span(order: &Value) -> i64 {
    order["warn"].as_i64().unwrap_or(0) * 1_000
}

/// Whether the present limit of an order was told of.
pub(super) fn stand(order: &Value) -> &'static str {
    let told = !order["warned_of"].is_null() && order["warned_of"] == order["limit"];
    if told { "told" } else { "untold" }
}

/// Whether an order may begin so: nothing was told, and there is time to tell it.
pub(super) fn is_fresh(order: &Value) -> bool {
    let life = number(order, "limit") - number(order, "created_at");
    order["warned_of"].is_null() && (0..life.max(1)).contains(&span(order))
}

/// What is wrong with an event about what was told, if anything.
pub(super) fn wrong(was: &Value, now: &Value, event: &Event, at: i64) -> Option<String> {
    let limit = number(was, "limit");
    let right = if event.kind == "order.expiring" {
        let in_time = (limit - span(was)..limit).contains(&at);
        let waits = text(was, "status") == "PENDING" && stand(was) == "untold";
        in_time && waits && event.data == json!({"warned_of": limit})
    } else {
        // A person may leave so little time that nobody is told.
        let moved = event.kind == "order.review_closed" && number(now, "limit") != limit;
        let short = number(now, "limit") - at <= span(now) && stand(now) == "told";
        was["warned_of"] == now["warned_of"] || moved && short
    };
    (!right).then(|| format!("{} at {at} says {} of {was}", event.kind, event.data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending() -> Value {
        json!({"status": "PENDING", "created_at": 1_000, "limit": 9_000, "warn": 2})
    }

    fn said(was: &Value, kind: &str, data: Value, at: i64) -> bool {
        let mut now = was.clone();
        for (name, value) in data.as_object().expect("members") {
            now[name] = value.clone();
        }
        let event = Event {
            stream: "order:o-1".to_owned(),
            version: 2,
            kind: kind.to_owned(),
            data,
        };
        wrong(was, &now, &event, at).is_none()
    }

    fn told(was: &Value, at: i64) -> bool {
        said(was, "order.expiring", json!({"warned_of": 9_000}), at)
    }

    #[test]
    fn a_limit_is_told_of_in_its_time_and_only_then() {
        assert!(told(&pending(), 7_000) && told(&pending(), 8_999));
        assert!(!told(&pending(), 6_999), "too early");
        assert!(!told(&pending(), 9_000), "too late");
        let mut silent = pending();
        silent["warn"] = json!(0);
        assert!(!told(&silent, 8_999), "nobody wanted it");
    }

    #[test]
    fn a_limit_is_told_of_once_and_only_of_an_order_that_waits() {
        let mut order = pending();
        order["warned_of"] = json!(9_000);
        assert!(!told(&order, 8_000), "twice");
        order["warned_of"] = json!(8_000);
        assert!(told(&order, 8_000), "of the limit before");
        for ended in ["PAID", "CONFIRMED", "CANCELLED", "EXPIRED"] {
            let mut order = pending();
            order["status"] = json!(ended);
            assert!(!told(&order, 8_000), "{ended}");
        }
    }

    #[test]
    fn nothing_else_is_told_with_it_and_it_is_told_by_nothing_else() {
        let other = json!({"warned_of": 8_500});
        assert!(!said(&pending(), "order.expiring", other, 8_000));
        let more = json!({"warned_of": 9_000, "units": "free"});
        assert!(!said(&pending(), "order.expiring", more, 8_000));
        let told = json!({"warned_of": 9_000});
        assert!(!said(&pending(), "saga.unknown", told, 8_000));
        let moved = json!({"limit": 11_000, "warned_of": 11_000});
        assert!(said(
            &pending(),
            "order.review_closed",
            moved.clone(),
            9_000
        ));
        assert!(!said(&pending(), "order.review_closed", moved, 8_999));
    }

    #[test]
    fn an_order_begins_untold_and_lives_longer_than_that() {
        assert!(is_fresh(&pending()));
        let mut short = pending();
        short["warn"] = json!(8);
        assert!(!is_fresh(&short));
        let mut told = pending();
        told["warned_of"] = json!(9_000);
        assert!(!is_fresh(&told));
    }
}
