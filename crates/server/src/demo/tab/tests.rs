use super::*;
use serde_json::json;

fn shown(id: &str, status: &str, money: (i64, i64)) -> Shown {
    let shown = json!({
        "id": id, "status": status,
        "payment": {"captured": {"amount": money.0}, "refunded": {"amount": money.1}},
        "lines": [{"quantity": 1}], "holds": [],
    });
    serde_json::from_value(shown).expect("it is an order")
}

fn bought(id: &str, stand: Stand, back: i64) -> Bought {
    Bought {
        id: id.into(),
        card: "tok_ok",
        stand,
        back,
    }
}

/// One kept with some money back, one cancelled and paid back, one declined.
fn honest() -> (Tab, Vec<Shown>, Ledger) {
    let tab = Tab(vec![
        bought("kept", Stand::Kept, 500),
        bought("cancelled", Stand::Lost, 0),
        bought("declined", Stand::Lost, 0),
    ]);
    let shown = vec![
        shown("kept", "DELIVERED", (PRICE, 500)),
        shown("cancelled", "CANCELLED", (PRICE, PRICE)),
        shown("declined", "CANCELLED", (0, 0)),
    ];
    let mut ledger = Ledger::default();
    ledger.kept.insert("kept".into(), PRICE - 500);
    ledger.kept.insert("cancelled".into(), 0);
    (tab, shown, ledger)
}

#[test]
fn three_accounts_that_agree_are_no_finding() {
    let (tab, shown, ledger) = honest();
    assert_eq!(tab.judge(&shown, &ledger, false), Vec::<String>::new());
    let money = Money {
        captured: 2 * PRICE,
        refunded: PRICE + 500,
        owed: PRICE - 500,
    };
    assert_eq!(tab.money(&shown), money);
    assert_eq!(money.captured - money.refunded, money.owed);
}

#[test]
fn a_cent_too_many_or_too_few_is_found_whoever_has_it() {
    let (tab, shown, mut ledger) = honest();
    ledger.kept.insert("cancelled".into(), 1);
    let notes = tab.judge(&shown, &ledger, false);
    assert_eq!(notes, ["order cancelled: we have 0 cents, the bank says 1"]);

    let (tab, mut shown, mut ledger) = honest();
    shown[0].payment.refunded.amount -= 1;
    ledger.kept.insert("kept".into(), PRICE - 499);
    let notes = tab.judge(&shown, &ledger, false);
    assert_eq!(notes, ["order kept: 1499 cents are owed, 1500 were kept"]);

    let (tab, shown, mut ledger) = honest();
    ledger.kept.insert("nobody".into(), PRICE);
    let notes = tab.judge(&shown, &ledger, false);
    assert_eq!(notes, ["the bank charged for nobody, which is no order"]);
}

#[test]
fn an_order_that_is_lost_open_or_nobodys_is_found() {
    let (tab, mut shown_, ledger) = honest();
    shown_.remove(2);
    shown_[1].cancelling = true;
    shown_.push(shown("new", "CANCELLED", (0, 0)));
    let notes = tab.judge(&shown_, &ledger, false);
    let found = [
        "order declined is unknown",
        "order cancelled is still CANCELLED",
        "order new was never answered",
    ];
    assert_eq!(notes, found);
    assert_eq!(tab.judge(&shown_, &ledger, true).len(), 2);

    let (tab, mut shown, mut ledger) = honest();
    shown[0].status = "CANCELLED".to_owned();
    ledger.pending = 1;
    let notes = tab.judge(&shown, &ledger, false);
    let found = [
        "the bank has 1 movements that are pending",
        "order kept was Kept by its answers, is CANCELLED",
    ];
    assert_eq!(notes, found);
}
