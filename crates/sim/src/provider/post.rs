//! Callbacks: how the providers tell what happened, and everything that goes wrong with that.
//!
//! A callback is sent until a node takes it, or never; it comes late, twice, with another body
//! under its id, of an order that nobody placed or of a transaction that nobody named. What was
//! lost has to be found by asking.

use super::{Happening, Later, ms};
use crate::client::{Client, Patience};
use crate::faults::FaultKind;
use crate::node::Node;
use crate::workload::Asked;
use crate::world::World;
use evenkeel_engine::Request;
use evenkeel_engine::callback::Sender;
use evenkeel_engine::commit::{Command, Received};
use evenkeel_rules::ids::{OrderId, TokenId};
use evenkeel_rules::money::Money;
use evenkeel_rules::order::{News, Word};
use evenkeel_rules::shipment::Status;
use std::sync::Arc;
use std::time::Duration;

fn letter(sender: Sender, order: &OrderId, event: &str, news: News) -> Received {
    Received {
        sender,
        provider: "simulated".to_owned(),
        event: event.to_owned(),
        order: order.clone(),
        raw: format!("{event} {news:?}"),
        news,
    }
}

/// A callback about money, or none, or several. One that is sure comes, as nobody would ask.
pub(super) fn money(
    world: &World,
    order: &OrderId,
    (word, transaction, amount): (Word, &str, Money),
    sure: bool,
) -> Later {
    let news = |transaction: &str, amount: Money| News::Money {
        word,
        transaction: transaction.to_owned(),
        amount,
    };
    let event = format!("{transaction}-{word:?}");
    let other = Money {
        amount: amount.amount + 1,
        ..amount
    };
    let truth = letter(Sender::Payment, order, &event, news(transaction, amount));
    let mut later = Vec::new();
    let mut also = |fault: FaultKind, received: Received| {
        if world.fires(fault) {
            later.push((after(world), Happening::Posts(Box::new(received))));
        }
    };
    if !sure {
        let altered = letter(Sender::Payment, order, &event, news(transaction, other));
        also(FaultKind::CallbackAltered, altered);
    }
    let (event, news_of) = (format!("{event}-wrong"), news(transaction, other));
    // Money that went back by itself is told and cannot be asked about: what is said of it counts.
    if word != Word::Refunded || !sure {
        let contradicts = letter(Sender::Payment, order, &event, news_of);
        also(FaultKind::CallbackContradicts, contradicts);
    }
    let (event, unnamed) = (format!("{event}-unnamed"), format!("{transaction}-x"));
    let stray = letter(Sender::Payment, order, &event, news(&unnamed, amount));
    also(FaultKind::CallbackUnnamed, stray);
    let nobody = OrderId::new(&format!("nobody-{transaction}")).expect("a well-formed id");
    let event = format!("{event}-stray");
    let stray = letter(Sender::Payment, &nobody, &event, news(transaction, amount));
    also(FaultKind::CallbackStray, stray);
    send(world, (truth, sure), &mut later);
    later
}

/// A callback about a parcel, or none, or two.
pub(super) fn parcel(world: &World, order: &OrderId, (delivery, status): (&str, Status)) -> Later {
    let news = News::Parcel {
        delivery: delivery.to_owned(),
        status,
    };
    let event = format!("{delivery}-{}", status.name());
    let mut later = Vec::new();
    send(
        world,
        (letter(Sender::Delivery, order, &event, news), false),
        &mut later,
    );
    later
}

/// When a callback is sent: soon, or so late that others overtake it.
fn after(world: &World) -> Duration {
    if world.fires(FaultKind::CallbackLate) {
        let longest = [2_000, 20_000, 400_000][world.any(3)];
        return ms(world.dice(|dice| dice.range(500, longest)));
    }
    ms(world.dice(|dice| dice.range(1, 150)))
}

fn send(world: &World, (received, sure): (Received, bool), later: &mut Later) {
    if !sure && world.fires(FaultKind::CallbackLost) {
        return;
    }
    if world.fires(FaultKind::CallbackDoubled) {
        let again = Box::new(received.clone());
        later.push((after(world), Happening::Posts(again)));
    }
    later.push((after(world), Happening::Posts(Box::new(received))));
}

/// Sends a callback to either node until one takes it.
pub(super) fn deliver(world: &Arc<World>, nodes: &[Arc<Node>; 2], received: Received) {
    let rng = fastrand::Rng::with_seed(world.dice(|dice| dice.range(0, u64::MAX)));
    let mut client = Client {
        world: Arc::clone(world),
        nodes: nodes.clone(),
        rng,
        probes: false,
    };
    let asked = Asked {
        request: Request {
            command: Command::StoreCallback(Box::new(received)),
            key: None,
            actor: TokenId::new("provider").expect("a well-formed id"),
            owner: None,
            expected: None,
            deadline: None,
        },
        key: None,
    };
    world.spawn(async move { drop(client.ask(&asked, Patience::Takes).await) });
}
