//! The adapter against a server that keeps to the contract, and against those that do not.

use super::super::outbound::Outbound;
use super::super::{DeliveryStatus, Receipt, Settled};
use super::*;
use evenkeel_rules::ids::{OrderId, SkuId};
use evenkeel_rules::money::{Currency, Money};
use peer::{Peer, Then, answer};
use std::sync::atomic::Ordering;

mod answers;
mod guard;
mod lines;
mod peer;

/// Long enough for loopback on a busy machine: no test waits for it.
const LONG: Duration = Duration::from_secs(20);
/// For calls that are to run out of time.
const SHORT: Duration = Duration::from_millis(50);

const RECEIPT: &str =
    r#"{"transaction":"t-9","status":"completed","amount":{"amount":1999,"currency":"EUR"}}"#;

fn euro(amount: i64) -> Money {
    let currency = Currency::new("EUR").expect("EUR is in the list");
    Money { amount, currency }
}

fn order() -> OrderId {
    OrderId::new("o-1").expect("a well-formed id")
}

fn charge(key: &str) -> Call {
    Call::Charge {
        key: key.to_owned(),
        order: order(),
        amount: euro(1999),
        token: "tok_ok".to_owned(),
    }
}

fn step(peer: &Peer, key: &str) -> Call {
    Call::Step {
        key: key.to_owned(),
        url: format!("{}/book", peer.url()),
        body: r#"{"seats":2}"#.to_owned(),
    }
}

fn completed() -> Reply {
    Reply::Money(Receipt {
        transaction: "t-9".to_owned(),
        status: Settled::Completed,
        amount: euro(1999),
        code: None,
    })
}

fn loopback() -> Outbound {
    Outbound::only(&["127.0.0.0/8"]).expect("a network")
}

/// Both providers are the peer, and steps may go there.
fn gateway_at(url: &str) -> HttpGateway {
    let endpoint = Endpoint {
        url: url.to_owned(),
        callback_url: Some("https://shop.example/v1/callbacks".to_owned()),
    };
    let options = HttpOptions {
        payment: Some(endpoint.clone()),
        delivery: Some(endpoint),
        allow: loopback(),
    };
    HttpGateway::new(options).expect("usable options")
}

fn gateway(peer: &Peer) -> HttpGateway {
    gateway_at(&peer.url())
}

/// One call to a peer that answers everything in one way.
async fn reply_to(call: impl Fn(&Peer) -> Call, then: fn() -> Then, timeout: Duration) -> Reply {
    let peer = Peer::new(move |_| then()).await;
    gateway(&peer).call(&call(&peer), timeout).await
}

fn was_not_sent(reply: &Reply, why: &str) {
    match reply {
        Reply::NotSent { why: said } => assert!(said.contains(why), "{said}"),
        other => panic!("{other:?} where nothing was sent ({why})"),
    }
}
