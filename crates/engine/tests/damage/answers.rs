//! Answers that clients got, against the log: I5 and I22.

use super::shop::{Shop, place, receive};
use super::site::{Memory, Named, Site, findings, look_with, named};
use evenkeel_engine::verify::{Acks, Inputs, Invariant, Kind, Outcome, Report};

async fn told(site: &dyn Site, lines: &[&str]) -> Report {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let inputs = Inputs {
        acks: Some(Acks::read(text.as_bytes())),
        ..Inputs::default()
    };
    look_with(site, inputs).await
}

async fn site() -> Memory {
    let site = Memory::new();
    Shop::new(&site.0).open().await;
    site
}

/// A request of the usual history, in the scope of no customer.
fn ack(key: &str, route: &str, status: &str, more: &str) -> String {
    format!(
        "{{\"key\":\"{key}\",\"customer\":null,\"method\":\"POST\",\"route\":\"{route}\",\
         \"sent_at\":\"2026-01-01T00:00:00.000Z\",\"answered_at\":\"2026-01-01T00:00:00.001Z\",\
         \"status\":{status}{more}}}"
    )
}

fn lost(subject: &str) -> Vec<Named> {
    vec![named(Invariant::I5, Kind::EffectLost, subject)]
}

fn refused(subject: &str) -> Vec<Named> {
    vec![named(Invariant::I5, Kind::EffectOfRefusal, subject)]
}

/// What is found after some answers.
async fn found(lines: &[String]) -> Vec<Named> {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    findings(&told(&site().await, &lines).await)
}

const HOLDS: &str = "/v1/holds";

#[tokio::test]
async fn answers_that_the_log_kept_are_held() {
    let lines = [
        ack(
            "p-1",
            HOLDS,
            "201",
            ",\"id\":\"h-1\",\"token\":\"main.1:6\"",
        ),
        ack(
            "p-1",
            HOLDS,
            "201",
            ",\"id\":\"h-1\",\"token\":\"main.1:6\",\"replayed\":true",
        ),
        ack(
            "c-1",
            "/v1/holds/h-1/confirm",
            "200",
            ",\"id\":\"h-1\",\"token\":\"main.1:8\"",
        ),
        ack(
            "c-1b",
            "/v1/holds/h-1/confirm",
            "200",
            ",\"id\":\"h-1\",\"token\":\"main.1:9\"",
        ),
        ack("r-2", "/v1/holds/{id}/release", "200", ",\"id\":\"h-2\""),
        ack("e-3", "/v1/holds/h-3/extend", "200", ",\"id\":\"h-3\""),
        ack("rec-1", "/v1/skus/lamp/receive", "201", ""),
        ack("adj-1", "/v1/skus/lamp/adjust", "201", ""),
        ack("tok-1", "/v1/tokens", "201", ""),
        ack(
            "f-1",
            "/v1/holds/h-1/release",
            "409",
            ",\"id\":\"h-1\",\"code\":\"hold.confirmed\"",
        ),
        ack("never", HOLDS, "503", ",\"code\":\"unavailable\""),
        ack("never", HOLDS, "null", ",\"error\":\"timeout\""),
        ack("p-3", HOLDS, "null", ",\"error\":\"reset\""),
        ack("p-4", HOLDS, "504", ",\"code\":\"outcome_unknown\""),
        ack("p-5", HOLDS, "409", ",\"code\":\"in_flight\""),
        "{\"key\":null,\"method\":\"GET\",\"route\":\"/v1/skus/lamp\",\"status\":200}".to_owned(),
        "{\"method\":\"PUT\",\"route\":\"/v1/skus/lamp\",\"id\":\"lamp\",\"status\":200}"
            .to_owned(),
        "{\"key\":\"half a line".to_owned(),
    ];
    let (half, lines) = lines.split_last().expect("lines");
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let inputs = Inputs {
        acks: Some(Acks::read((text + half).as_bytes())),
        ..Inputs::default()
    };
    let report = look_with(&site().await, inputs).await;
    assert_eq!(findings(&report), []);
    let check = report.check(Invariant::I5);
    assert_eq!((check.result, check.checked), (Outcome::Held, 16));
    assert_eq!(report.check(Invariant::I22).result, Outcome::Held);
}

#[tokio::test]
async fn an_acknowledged_hold_that_the_log_does_not_have_is_lost() {
    let line = ack(
        "gone",
        HOLDS,
        "201",
        ",\"id\":\"h-77\",\"token\":\"main.1:7\"",
    );
    assert_eq!(found(&[line]).await, lost("hold h-77"));
}

#[tokio::test]
async fn an_acknowledged_key_that_made_another_hold_is_lost() {
    let line = ack("p-1", HOLDS, "201", ",\"id\":\"h-2\"");
    assert_eq!(found(&[line]).await, lost("hold h-2"));
}

#[tokio::test]
async fn an_acknowledged_confirm_of_a_released_hold_is_lost() {
    let line = ack("c-2", "/v1/holds/h-2/confirm", "200", ",\"id\":\"h-2\"");
    assert_eq!(found(&[line]).await, lost("hold h-2"));
}

#[tokio::test]
async fn an_acknowledged_extend_without_its_event_is_lost() {
    let line = ack("e-9", "/v1/holds/h-3/extend", "200", ",\"id\":\"h-3\"");
    assert_eq!(found(&[line]).await, lost("hold h-3"));
}

#[tokio::test]
async fn an_acknowledged_put_of_a_sku_that_is_not_listed_is_lost() {
    let line = "{\"method\":\"PUT\",\"route\":\"/v1/skus/none\",\"id\":\"none\",\"status\":201}";
    assert_eq!(found(&[line.to_owned()]).await, lost("answer 1"));
}

#[tokio::test]
async fn an_answer_beyond_the_head_is_lost() {
    let line = ack(
        "p-1",
        HOLDS,
        "201",
        ",\"id\":\"h-1\",\"token\":\"main.1:20\"",
    );
    assert_eq!(found(&[line]).await, lost("hold h-1"));
    let line = ack(
        "p-1",
        HOLDS,
        "201",
        ",\"id\":\"h-1\",\"token\":\"main.2:20\"",
    );
    assert_eq!(
        found(&[line]).await,
        [],
        "another incarnation has positions of its own"
    );
}

/// What was acknowledged behind the copy is named, answer by answer; what the copy has is held.
#[tokio::test]
async fn what_a_restored_backup_does_not_have_is_lost_and_the_rest_is_held() {
    let mut site = site().await;
    site.restore_at(12);
    let line = |token: &str| {
        ack(
            "p-1",
            HOLDS,
            "201",
            &format!(",\"id\":\"h-1\",\"token\":\"{token}\""),
        )
    };
    for (token, expected) in [
        ("main.1:6", vec![]),
        ("main.1:12", vec![]),
        ("main.1:13", lost("hold h-1")),
        ("main.2:13", vec![]),
        ("main.2:20", lost("hold h-1")),
        ("other.1:13", vec![]),
    ] {
        let report = told(&site, &[&line(token)]).await;
        assert_eq!(findings(&report), expected, "{token}");
    }
    let unknown = ack(
        "p-99",
        HOLDS,
        "201",
        ",\"id\":\"h-99\",\"token\":\"main.1:14\"",
    );
    assert_eq!(findings(&told(&site, &[&unknown]).await), lost("hold h-99"));
}

#[tokio::test]
async fn a_final_refusal_with_an_effect_is_named() {
    let expired = ",\"id\":\"h-1\",\"code\":\"hold.expired\"";
    let line = ack("c-1", "/v1/holds/h-1/confirm", "409", expired);
    assert_eq!(found(&[line]).await, refused("hold h-1"));
}

#[tokio::test]
async fn a_final_refusal_excludes_an_effect_whatever_else_was_not_answered() {
    let expired = ",\"id\":\"h-1\",\"code\":\"hold.expired\"";
    let lines = [
        ack("c-1", "/v1/holds/h-1/confirm", "409", expired),
        ack("c-1", "/v1/holds/h-1/confirm", "null", ",\"id\":\"h-1\""),
    ];
    assert_eq!(found(&lines).await, refused("hold h-1"));
}

#[tokio::test]
async fn a_momentary_refusal_counts_only_as_the_last_word_on_its_key() {
    let no = || {
        ack(
            "p-1",
            HOLDS,
            "503",
            ",\"id\":\"h-1\",\"code\":\"unavailable\"",
        )
    };
    let yes = ack("p-1", HOLDS, "201", ",\"id\":\"h-1\"");
    assert_eq!(found(&[no()]).await, refused("hold h-1"));
    assert_eq!(found(&[no(), yes]).await, []);
    let open = ack("p-1", HOLDS, "null", ",\"id\":\"h-1\"");
    assert_eq!(
        found(&[no(), open]).await,
        [],
        "the attempt without an answer may have done it"
    );
}

#[tokio::test]
async fn a_key_is_known_in_the_scope_of_its_customer_too() {
    use evenkeel_engine::commit::Key;
    use evenkeel_rules::ids::CustomerId;
    let site = Memory::new();
    let mut shop = Shop::new(&site.0);
    shop.run("", super::shop::put("lamp", "Lamp")).await;
    shop.run("", receive("lamp", 1)).await;
    let customer = CustomerId::new("c-1").expect("an id");
    let key = Key::new(Some(&customer), "mine", &[b"asked"]);
    shop.commit(Some(key), place("h-1", &[("lamp", 1)], 60_000))
        .await;
    let line = "{\"key\":\"\\\"mine\\\"\",\"customer\":\"c-1\",\"id\":\"h-1\",\"method\":\"POST\",\
        \"route\":\"/v1/holds\",\"status\":201}";
    assert_eq!(findings(&told(&site, &[line]).await), []);
    let other = line.replace("c-1", "c-2");
    assert_eq!(findings(&told(&site, &[&other]).await), lost("hold h-1"));
}

#[tokio::test]
async fn an_acks_file_with_a_bad_line_is_not_checkable_and_says_which() {
    let good = ack("p-1", HOLDS, "201", "");
    let report = told(&site().await, &[&good, "nonsense"]).await;
    assert!(report.ok);
    for invariant in [Invariant::I5, Invariant::I22] {
        let check = report.check(invariant);
        assert_eq!(check.result, Outcome::NotCheckable);
        let place = check.place.clone().unwrap_or_default();
        assert!(place.contains("line 2 of the acks file"), "{place}");
    }
}

fn sold_out(as_of: u64, lines: &str) -> String {
    let more =
        format!(",\"code\":\"stock.sold_out\",\"token\":\"main.1:{as_of}\",\"lines\":{lines}");
    ack("late", HOLDS, "409", &more)
}

#[tokio::test]
async fn a_sold_out_is_judged_by_the_units_at_its_position() {
    // Lamps available: 0 until position 3, then 10, at 6 8, at 7 7, at 8 8.
    for (as_of, units, is_true) in [
        (2, 1, true),
        (3, 10, false),
        (3, 11, true),
        (6, 8, false),
        (6, 9, true),
        (7, 8, true),
        (8, 8, false),
        (19, 5, true),
        (19, 4, false),
    ] {
        let line = sold_out(
            as_of,
            &format!("[{{\"sku\":\"lamp\",\"quantity\":{units}}}]"),
        );
        let expected = [named(Invariant::I22, Kind::FalseSoldOut, "sku lamp")];
        let expected = if is_true { &[][..] } else { &expected[..] };
        assert_eq!(found(&[line]).await, expected, "{units} at {as_of}");
    }
}

#[tokio::test]
async fn the_lines_of_a_sold_out_are_summed_and_one_short_is_enough() {
    let two = "[{\"sku\":\"lamp\",\"quantity\":5},{\"sku\":\"lamp\",\"quantity\":4}]";
    assert_eq!(found(&[sold_out(6, two)]).await, [], "nine of eight");
    let other = "[{\"sku\":\"lamp\",\"quantity\":1},{\"sku\":\"desk\",\"quantity\":6}]";
    assert_eq!(found(&[sold_out(6, other)]).await, [], "six of five");
    let attic = "[{\"sku\":\"lamp\",\"quantity\":1,\"location\":\"attic\"}]";
    assert_eq!(found(&[sold_out(6, attic)]).await, [], "none there");
}

#[tokio::test]
async fn sold_outs_at_many_positions_are_each_judged_at_theirs() {
    let of = |units: u64| format!("[{{\"sku\":\"desk\",\"quantity\":{units}}}]");
    let lines: Vec<String> = (1..=19).map(|as_of| sold_out(as_of, &of(6))).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let report = told(&site().await, &lines).await;
    assert_eq!(findings(&report), []);
    assert_eq!(report.check(Invariant::I22).checked, 19);
}

#[tokio::test]
async fn sold_outs_that_do_not_say_what_was_asked_are_not_called_held() {
    let line = ack("late", HOLDS, "409", ",\"code\":\"stock.sold_out\"");
    let report = told(&site().await, &[&line]).await;
    assert_eq!(report.check(Invariant::I22).result, Outcome::NotCheckable);
    assert_eq!(report.check(Invariant::I5).result, Outcome::Held);
}

#[tokio::test]
async fn what_a_damaged_log_did_is_not_held_against_answers() {
    let mut site = site().await;
    let mut log = site.log();
    log.remove(5);
    site.set_log(log);
    let line = ack("p-1", HOLDS, "201", ",\"id\":\"h-1\"");
    let report = told(&site, &[&line]).await;
    assert_eq!(
        findings(&report),
        [named(Invariant::I16, Kind::EntryRemoved, "log 6")]
    );
    assert_eq!(report.check(Invariant::I5).result, Outcome::NotCheckable);
}

async fn trade() -> Memory {
    let site = Memory::new();
    super::trade::Trade::new(&site.0).open().await;
    site
}

/// What is found after some answers about orders.
async fn found_of_orders(lines: &[String]) -> Vec<Named> {
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    findings(&told(&trade().await, &lines).await)
}

const ORDERS: &str = "/v1/orders";

#[tokio::test]
async fn answers_about_orders_that_the_log_kept_are_held() {
    let of = |id: &str| format!(",\"id\":\"{id}\"");
    let lines = [
        ack("take-o-1", ORDERS, "201", &of("o-1")),
        ack("take-o-2", ORDERS, "201", &of("o-2")),
        ack("can-6", "/v1/orders/o-6/cancel", "202", &of("o-6")),
        ack("can-6b", "/v1/orders/o-6/cancel", "200", &of("o-6")),
        ack("can-11", "/v1/orders/o-11/cancel", "200", &of("o-11")),
        ack("can-12", "/v1/orders/{id}/cancel", "404", &of("o-12")),
        ack("ref-4", "/v1/orders/o-4/refunds", "201", &of("rf-1")),
        ack("ret-4", "/v1/orders/{id}/returns", "201", &of("o-4")),
        ack("res-21", "/v1/reviews/o-21/approve", "200", &of("o-21")),
        ack(
            "late",
            ORDERS,
            "409",
            ",\"id\":\"o-1\",\"code\":\"already_exists\"",
        ),
    ];
    assert_eq!(found_of_orders(&lines).await, []);
}

#[tokio::test]
async fn answers_about_orders_that_the_log_does_not_have_are_lost() {
    let of = |id: &str| format!(",\"id\":\"{id}\"");
    for (line, subject) in [
        (ack("gone", ORDERS, "201", &of("o-77")), "order o-77"),
        (ack("take-o-1", ORDERS, "201", &of("o-2")), "order o-2"),
        (
            ack("gone", "/v1/orders/o-1/cancel", "202", &of("o-1")),
            "order o-1",
        ),
        (
            ack("gone", "/v1/orders/o-4/returns", "201", &of("o-4")),
            "order o-4",
        ),
    ] {
        assert_eq!(found_of_orders(&[line]).await, lost(subject));
    }
    let no = ",\"id\":\"o-1\",\"code\":\"price_changed\"";
    let line = ack("take-o-1", ORDERS, "409", no);
    assert_eq!(found_of_orders(&[line]).await, refused("order o-1"));
}

#[tokio::test]
async fn a_sold_out_order_is_judged_by_the_units_at_its_position() {
    for (units, is_true) in [(60, false), (61, true)] {
        let line = sold_out(2, &format!("[{{\"sku\":\"lamp\",\"quantity\":{units}}}]"));
        let line = line.replace(HOLDS, ORDERS);
        let expected = [named(Invariant::I22, Kind::FalseSoldOut, "sku lamp")];
        let expected = if is_true { &[][..] } else { &expected[..] };
        assert_eq!(found_of_orders(&[line]).await, expected, "{units}");
    }
}

#[tokio::test]
async fn one_key_text_in_two_scopes_and_for_two_intents_is_two_keys() {
    use evenkeel_engine::commit::Key;
    use evenkeel_rules::ids::CustomerId;
    let site = Memory::new();
    let mut shop = Shop::new(&site.0);
    shop.run("", super::shop::put("lamp", "Lamp")).await;
    shop.run("", receive("lamp", 9)).await;
    let customer = CustomerId::new("c-1").expect("an id");
    let mine = Key::new(Some(&customer), "same", &[b"mine"]);
    let ours = Key::new(None, "same", &[b"ours"]);
    let of = |id: &str| place(id, &[("lamp", 1)], 600_000);
    shop.commit(Some(mine), of("h-1")).await;
    shop.commit(Some(ours), of("h-2")).await;
    shop.run("", of("h-3")).await;
    let other = Key::new(Some(&customer), "both", &[b"mine"]);
    shop.commit(Some(other), super::shop::release("h-3")).await;
    let again = Key::new(None, "both", &[b"ours"]);
    shop.commit(Some(again), super::shop::confirm("h-2", None))
        .await;
    let line = |key: &str, route: &str, more: &str| {
        format!(
            "{{\"key\":\"{key}\",\"customer\":\"c-1\",\"method\":\"POST\",\
             \"route\":\"{route}\",{more}}}"
        )
    };
    let yes = |id: &str| format!("\"id\":\"{id}\",\"status\":201");
    let no = |id: &str| format!("\"id\":\"{id}\",\"status\":409,\"code\":\"already_exists\"");
    let lines = [
        // Whoever wrote this down knew both buyers' keys by one customer.
        line("same", HOLDS, &yes("h-2")),
        line("same", HOLDS, &yes("h-1")),
        line("both", "/v1/holds/h-2/confirm", &yes("h-2")),
        line("both", "/v1/holds/h-3/release", &yes("h-3")),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(findings(&told(&site, &lines).await), []);
    let lines = [
        line("same", HOLDS, &yes("h-2")).replace("\"c-1\"", "null"),
        line("same", HOLDS, &no("h-9")).replace("c-1", "c-7"),
        line("both", "/v1/holds/h-9/confirm", &no("h-9")),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(findings(&told(&site, &lines).await), []);
    let lost_one = line("same", HOLDS, &yes("h-3"));
    assert_eq!(findings(&told(&site, &[&lost_one]).await), lost("hold h-3"));
}
