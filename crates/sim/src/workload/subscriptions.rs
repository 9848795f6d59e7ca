//! Whoever keeps the subscriptions: makes them, looks after them, and ends some.
//!
//! Subscriptions begin now, at the log's beginning or in between, and want everything, an
//! aggregate or a type or two. They are paused and resumed, told everything from some position on
//! again and given another secret; what is parked is tried again, sometimes after somebody at the
//! subscriber has seen to it, or dropped. A replay never skips: it goes back from where the
//! subscription stands.

use super::{Asked, Who, request};
use crate::client::{Client, Patience};
use crate::subscriber::url_of;
use evenkeel_engine::commit::{Command, Subscribing};
use evenkeel_engine::port::SubscriptionRow;
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::subscription::{Act, Ask, Filter, State};

/// What subscribers want.
const WISHES: [&[&str]; 6] = [
    &["*"],
    &["*"],
    &["order.*", "payment.*", "delivery.*"],
    &["stock.*", "sku.*"],
    &["stock.held", "stock.received", "order.created"],
    &["cart.*", "saga.*", "stock.*"],
];

/// Makes subscriptions and looks after them so many times.
pub(crate) async fn keep_subscriptions(mut client: Client, times: u32) {
    let count = client.rng.u32(2..=3);
    for number in 0..count {
        subscribe(&mut client, number).await;
        client.pause(1, 600).await;
    }
    for number in 0..times {
        client.pause(100, 1_200).await;
        let rows = rows(&client);
        if rows.is_empty() {
            continue;
        }
        let row = &rows[client.rng.usize(0..rows.len())];
        if let Some(act) = some_act(&mut client, row) {
            change(&mut client, row, &act, &format!("sub-{number}")).await;
        }
    }
}

/// Once all is well: resumes what is paused, and sees to some of what is parked.
pub(crate) async fn settle_subscriptions(client: &mut Client) {
    for row in rows(client) {
        let key = format!("settle-{}", row.created);
        if row.body.state == State::Paused {
            change(client, &row, &Act::Resume, &key).await;
        }
        for parked in &row.body.parked {
            let parked = parked.id;
            let act = match client.rng.u8(0..4) {
                0 => {
                    client.world.subscribers.lift(row.body.id.as_str());
                    Act::Retry { parked }
                }
                1 => Act::Drop { parked },
                _ => continue,
            };
            change(client, &row, &act, &format!("{key}-{parked}")).await;
        }
    }
}

/// Subscriptions that have not ended, by id.
fn rows(client: &Client) -> Vec<SubscriptionRow> {
    client.world.store.edit(|tables| {
        let all = tables.subscriptions.values();
        let live = all.filter(|row| row.body.state != State::Deleted);
        live.cloned().collect()
    })
}

/// A secret that is one, and another for another number.
fn secret(number: usize) -> String {
    format!("whsec_{}", "QUJD".repeat(8 + number % 8))
}

async fn subscribe(client: &mut Client, number: u32) {
    let head = client.world.audit(|auditor| auditor.position());
    let rng = &mut client.rng;
    let from = match rng.u8(0..3) {
        0 => Some(1),
        1 => Some(rng.u64(1..=head.max(1))),
        _ => None,
    };
    let id = format!("s-{number}");
    let wish = WISHES[rng.usize(0..WISHES.len())].iter();
    let types = wish.map(|filter| Filter::new(filter).expect("some type matches"));
    let ask = Box::new(Ask {
        id: SubscriptionId::new(&id).expect("a well-formed id"),
        url: Some(url_of(&id)),
        types: types.collect(),
        from,
    });
    let secret = secret(0);
    let create = Subscribing::Create { ask, secret };
    ask_for(client, create, &format!("subscribe-{number}")).await;
}

/// What is to be done about a subscription, if anything.
fn some_act(client: &mut Client, row: &SubscriptionRow) -> Option<Act> {
    let rng = &mut client.rng;
    if row.body.state == State::Paused && rng.u8(0..3) > 0 {
        return Some(Act::Resume);
    }
    let dice = rng.u8(0..20);
    if let Some(parked) = row.body.parked.first().filter(|_| dice < 12) {
        let parked = parked.id;
        return Some(match dice {
            0..4 => {
                client.world.subscribers.lift(row.body.id.as_str());
                Act::Retry { parked }
            }
            4..8 => Act::Retry { parked },
            _ => Act::Drop { parked },
        });
    }
    let stands = row.progress.checkpoint.max(1);
    match dice {
        0..4 => Some(Act::Pause),
        4..8 => Some(Act::Rotate),
        8..11 => {
            let least = stands.saturating_sub(80).max(1);
            let from = rng.u64(least..=stands);
            Some(Act::Replay { from })
        }
        // The first one stays.
        11 if row.body.id.as_str() != "s-0" => Some(Act::Delete),
        _ => None,
    }
}

async fn change(client: &mut Client, row: &SubscriptionRow, act: &Act, key: &str) {
    let private = match act {
        Act::Rotate => secret(client.rng.usize(0..8)),
        _ => "looked after".to_owned(),
    };
    let asked = Subscribing::Change {
        id: row.body.id.clone(),
        act: act.clone(),
        private,
        lease: None,
    };
    ask_for(client, asked, key).await;
}

async fn ask_for(client: &mut Client, asked: Subscribing, key: &str) {
    let asked: Asked = request(&Who::Staff, Some(key), Command::Subscription(asked));
    drop(client.settle(&asked, Patience::Takes).await);
}
