//! What is asked, and how each answer is understood.

use super::*;

fn refund() -> Call {
    Call::Refund {
        key: "s-1/refund".to_owned(),
        order: order(),
        transaction: "t-9".to_owned(),
        amount: euro(500),
    }
}

fn deliver() -> Call {
    Call::Deliver {
        key: "s-1/deliver".to_owned(),
        order: order(),
        lines: vec![(SkuId::new("mug").expect("a well-formed id"), 2)],
        address_ref: Some("a-7".to_owned()),
    }
}

fn cancel() -> Call {
    Call::CancelDelivery {
        key: "s-2/cancel".to_owned(),
        delivery: "d/9".to_owned(),
    }
}

fn ask_charge() -> Call {
    Call::AskCharge {
        key: "s-1/charge&x=%".to_owned(),
    }
}

fn ask_refund() -> Call {
    Call::AskRefund {
        key: "s-1/refund".to_owned(),
    }
}

fn ask_delivery() -> Call {
    Call::AskDelivery {
        key: "s-1/deliver".to_owned(),
    }
}

/// The reply to a call that was answered in one way.
async fn told(call: &Call, status: u16, body: &'static str) -> Reply {
    let peer = Peer::new(move |_| Then::Say(answer(status, body))).await;
    gateway(&peer).call(call, LONG).await
}

#[tokio::test]
async fn every_call_is_the_request_of_the_contract() {
    let peer = Peer::new(|_| Then::Say(answer(500, ""))).await;
    let gateway = gateway_at(&format!("{}/base/", peer.url()));
    let charged = concat!(
        r#"{"order":"o-1","amount":{"amount":1999,"currency":"EUR"},"token":"tok_ok","#,
        r#""callback_url":"https://shop.example/v1/callbacks"}"#,
    );
    let refunded =
        r#"{"transaction":"t-9","amount":{"amount":500,"currency":"EUR"},"order":"o-1"}"#;
    let delivered = concat!(
        r#"{"order":"o-1","lines":[{"sku":"mug","quantity":2}],"address_ref":"a-7","#,
        r#""callback_url":"https://shop.example/v1/callbacks"}"#,
    );
    let cases = [
        (
            charge("s-1/charge"),
            "POST /base/charges",
            "s-1/charge",
            charged,
        ),
        (refund(), "POST /base/refunds", "s-1/refund", refunded),
        (deliver(), "POST /base/deliveries", "s-1/deliver", delivered),
        (
            cancel(),
            "POST /base/deliveries/d%2F9/cancel",
            "s-2/cancel",
            "{}",
        ),
        (
            step(&peer, "s-3/book"),
            "POST /book",
            "s-3/book",
            r#"{"seats":2}"#,
        ),
        (
            ask_charge(),
            "GET /base/charges?key=s-1%2Fcharge%26x%3D%25",
            "",
            "",
        ),
        (ask_refund(), "GET /base/refunds?key=s-1%2Frefund", "", ""),
        (
            ask_delivery(),
            "GET /base/deliveries?key=s-1%2Fdeliver",
            "",
            "",
        ),
    ];
    for (call, line, key, body) in cases {
        assert_eq!(gateway.call(&call, LONG).await, Reply::Unknown, "{line}");
        let heard = peer.heard().pop().expect("it was heard");
        assert_eq!((heard.line.as_str(), heard.key.as_str()), (line, key));
        assert_eq!(heard.body, body, "{line}");
        let typed = heard.head.contains("content-type: application/json\r\n");
        assert_eq!(typed, !key.is_empty(), "{line}");
    }
}

#[tokio::test]
async fn statuses_of_an_effect_are_yes_no_or_unknown() {
    let no = || Reply::Refused { code: None };
    for (status, reply) in [
        (200, completed()),
        (201, completed()),
        (202, completed()),
        (302, Reply::Unknown),
        (304, Reply::Unknown),
        (400, no()),
        (402, no()),
        (404, no()),
        (409, no()),
        (422, no()),
        (429, no()),
        (500, Reply::Unknown),
        (502, Reply::Unknown),
        (503, Reply::Unknown),
        (504, Reply::Unknown),
        (599, Reply::Unknown),
    ] {
        assert_eq!(told(&charge("k"), status, RECEIPT).await, reply, "{status}");
    }
}

#[tokio::test]
async fn statuses_of_a_question_are_never_a_no() {
    for (status, reply) in [
        (200, completed()),
        (202, completed()),
        (302, Reply::Unknown),
        (400, Reply::Unknown),
        (402, Reply::Unknown),
        (404, Reply::NeverSeen),
        (409, Reply::Unknown),
        (410, Reply::Unknown),
        (500, Reply::Unknown),
        (503, Reply::Unknown),
    ] {
        assert_eq!(
            told(&ask_charge(), status, RECEIPT).await,
            reply,
            "{status}"
        );
        assert_eq!(
            told(&ask_refund(), status, RECEIPT).await,
            reply,
            "{status}"
        );
    }
    assert_eq!(told(&ask_delivery(), 404, "").await, Reply::NeverSeen);
    assert_eq!(told(&ask_delivery(), 403, "").await, Reply::Unknown);
}

#[tokio::test]
async fn a_refusal_keeps_its_reason_if_it_is_one() {
    for (body, code) in [
        (r#"{"code":"card_declined"}"#, Some("card_declined")),
        (
            r#"{"transaction":"t-9","status":"failed","code":"stolen"}"#,
            Some("stolen"),
        ),
        (r#"{"code":"two words"}"#, None),
        (r#"{"code":7}"#, None),
        (r#"{"code":""}"#, None),
        ("<html>", None),
        ("", None),
    ] {
        let code = code.map(str::to_owned);
        let said = told(&charge("k"), 402, body).await;
        assert_eq!(said, Reply::Refused { code }, "{body}");
    }
}

#[tokio::test]
async fn a_receipt_says_its_state_its_amount_and_its_reason() {
    let body = concat!(
        r#"{"transaction":"t-9","status":"failed","code":"expired_card","#,
        r#""amount":{"amount":0,"currency":"JPY"},"more":[1]}"#,
    );
    let receipt = Receipt {
        transaction: "t-9".to_owned(),
        status: Settled::Failed,
        amount: Money {
            amount: 0,
            currency: Currency::new("JPY").expect("JPY is in the list"),
        },
        code: Some("expired_card".to_owned()),
    };
    assert_eq!(told(&charge("k"), 200, body).await, Reply::Money(receipt));
    let pending = RECEIPT_PENDING;
    let reply = told(&refund(), 202, pending).await;
    let Reply::Money(receipt) = reply else {
        panic!("not a receipt: {reply:?}");
    };
    assert_eq!(receipt.status, Settled::Pending);
}

const RECEIPT_PENDING: &str =
    r#"{"transaction":"t-9","status":"pending","amount":{"amount":500,"currency":"EUR"}}"#;

/// A body with one member of a good receipt replaced.
fn with(member: &str, value: &str) -> String {
    let mut receipt: serde_json::Value = serde_json::from_str(RECEIPT).expect("it is JSON");
    receipt[member] = serde_json::from_str(value).expect("it is JSON");
    receipt.to_string()
}

#[tokio::test]
async fn a_yes_that_cannot_be_read_is_unknown() {
    let long = format!("\"{}\"", "t".repeat(NAME_MAX + 1));
    let twice = r#","status":"failed"}"#;
    for body in [
        String::new(),
        "ok".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        RECEIPT[..RECEIPT.len() - 1].to_owned(),
        format!("{}{twice}", &RECEIPT[..RECEIPT.len() - 1]),
        with("transaction", "null"),
        with("transaction", "7"),
        with("transaction", r#""""#),
        with("transaction", r#""t 9""#),
        with("transaction", r#""t\n""#),
        with("transaction", &long),
        with("status", r#""COMPLETED""#),
        with("status", r#""done""#),
        with("amount", "1999"),
        with("amount", r#"{"amount":-1,"currency":"EUR"}"#),
        with("amount", r#"{"amount":19.99,"currency":"EUR"}"#),
        with("amount", r#"{"amount":9007199254740992,"currency":"EUR"}"#),
        with("amount", r#"{"amount":1,"currency":"eur"}"#),
        with("amount", r#"{"amount":1}"#),
    ] {
        let sent = body.clone();
        let peer = Peer::new(move |_| Then::Say(answer(200, &sent))).await;
        let gateway = gateway(&peer);
        for call in [charge("k"), refund(), ask_charge(), ask_refund()] {
            let said = gateway.call(&call, LONG).await;
            assert_eq!(said, Reply::Unknown, "{body}");
        }
    }
}

#[tokio::test]
async fn a_delivery_says_its_name_and_how_far_it_is() {
    for (text, status) in [
        ("requested", DeliveryStatus::Requested),
        ("initiated", DeliveryStatus::Initiated),
        ("in_transit", DeliveryStatus::InTransit),
        ("delivered", DeliveryStatus::Delivered),
        ("failed", DeliveryStatus::Failed),
        ("cancelled", DeliveryStatus::Cancelled),
    ] {
        let body = format!(r#"{{"delivery":"d-9","status":"{text}"}}"#);
        let peer = Peer::new(move |_| Then::Say(answer(201, &body))).await;
        let delivery = "d-9".to_owned();
        let reply = Reply::Delivery { delivery, status };
        for call in [deliver(), ask_delivery()] {
            assert_eq!(gateway(&peer).call(&call, LONG).await, reply, "{text}");
        }
    }
    for body in [
        r#"{"delivery":"d-9","status":"lost"}"#,
        r#"{"delivery":"d 9","status":"initiated"}"#,
        r#"{"status":"initiated"}"#,
        "",
    ] {
        assert_eq!(told(&deliver(), 201, body).await, Reply::Unknown, "{body}");
    }
}

#[tokio::test]
async fn a_cancel_is_done_refused_as_too_late_or_unknown() {
    let now = |status| Reply::Delivery {
        delivery: "d/9".to_owned(),
        status,
    };
    let no = Reply::Refused {
        code: Some("too_late".to_owned()),
    };
    for (status, body, reply) in [
        (200, "", now(DeliveryStatus::Cancelled)),
        (204, "", now(DeliveryStatus::Cancelled)),
        (
            200,
            r#"{"delivery":"d/9","status":"cancelled"}"#,
            now(DeliveryStatus::Cancelled),
        ),
        (
            200,
            r#"{"delivery":"d/9","status":"in_transit"}"#,
            now(DeliveryStatus::InTransit),
        ),
        (
            200,
            r#"{"delivery":"d-8","status":"cancelled"}"#,
            Reply::Unknown,
        ),
        (200, "ok", Reply::Unknown),
        (409, r#"{"code":"too_late"}"#, no),
        (503, "", Reply::Unknown),
    ] {
        assert_eq!(
            told(&cancel(), status, body).await,
            reply,
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn a_step_is_done_by_its_status_whatever_its_body() {
    let no = || Reply::Refused { code: None };
    for (status, reply) in [
        (200, Reply::Done),
        (201, Reply::Done),
        (204, Reply::Done),
        (301, Reply::Unknown),
        (400, no()),
        (404, no()),
        (409, no()),
        (408, Reply::Unknown),
        (425, Reply::Unknown),
        (429, Reply::Unknown),
        (500, Reply::Unknown),
    ] {
        let body = if status == 204 { "" } else { "not JSON" };
        let peer = Peer::new(move |_| Then::Say(answer(status, body))).await;
        let said = gateway(&peer).call(&step(&peer, "k"), LONG).await;
        assert_eq!(said, reply, "{status}");
    }
}

#[tokio::test]
async fn what_has_no_place_or_no_proper_key_is_not_sent() {
    let nobody = HttpGateway::new(HttpOptions::default()).expect("usable options");
    for (call, why) in [
        (charge("k"), "payment.url is not set"),
        (ask_charge(), "payment.url is not set"),
        (refund(), "payment.url is not set"),
        (deliver(), "delivery.url is not set"),
        (ask_delivery(), "delivery.url is not set"),
        (cancel(), "delivery.url is not set"),
    ] {
        was_not_sent(&nobody.call(&call, LONG).await, why);
    }
    let peer = Peer::new(|_| Then::Say(answer(200, RECEIPT))).await;
    let gateway = gateway(&peer);
    let long = "k".repeat(KEY_MAX + 1);
    for key in ["", "two words", "s-1\r\nx: y", "schl\u{fc}ssel", &long] {
        was_not_sent(&gateway.call(&charge(key), LONG).await, "the key");
    }
    assert_eq!(peer.connections(), 0);
}

#[test]
fn options_are_refused_by_the_name_of_what_is_wrong() {
    let endpoint = |url: &str, callback: Option<&str>| Endpoint {
        url: url.to_owned(),
        callback_url: callback.map(str::to_owned),
    };
    let payment = |endpoint| {
        let payment = Some(endpoint);
        let options = HttpOptions {
            payment,
            ..HttpOptions::default()
        };
        HttpGateway::new(options).err().map(|bad| bad.to_string())
    };
    let said = payment(endpoint("bank.example", None));
    assert_eq!(
        said.as_deref(),
        Some("payment.url: this is not an absolute URL")
    );
    let said = payment(endpoint("http://me:pw@bank.example", None));
    assert_eq!(
        said.as_deref(),
        Some("payment.url: a URL carries no credentials")
    );
    assert!(payment(endpoint("http://bank.example/?x=1", None)).is_some());
    let said = payment(endpoint("http://127.0.0.1:1", Some("shop")));
    let expected = "payment.callback_url: this is not an absolute URL";
    assert_eq!(said.as_deref(), Some(expected));
    assert_eq!(payment(endpoint("http://127.0.0.1:1", None)), None);
    let said = payment(endpoint("https://bank.example", None));
    let needs = "payment.url: https needs a build with the feature `tls`";
    let expected = (!cfg!(feature = "tls")).then_some(needs);
    assert_eq!(said.as_deref(), expected);
}
