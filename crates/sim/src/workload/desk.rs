//! The shop's desk: whoever looks at orders one by one.
//!
//! It gives money back, takes returns, calls off, decides what waits for a person, and erases what
//! customers want to be forgotten. What it knows of an order it reads where everybody reads; of a
//! refund that will not go through it hears from the provider on the telephone, and what can only
//! be paid by another way it pays so.

use super::buyer::{PRICE, euros};
use super::{Asked, Who, quantity, request, trips};
use crate::client::{Client, Patience};
use crate::provider::Standing;
use evenkeel_engine::commit::Command;
use evenkeel_engine::gateway::Settled;
use evenkeel_engine::port::OrderRow;
use evenkeel_engine::saga::effect_key;
use evenkeel_rules::ids::{CustomerId, RefundId};
use evenkeel_rules::order::{Order, ReturnLine, Status, Task, Units};
use evenkeel_rules::saga::State;
use evenkeel_rules::time::Millis;

/// Looks at orders so many times.
pub(crate) async fn keep_desk(mut client: Client, times: u32) {
    for number in 0..times {
        client.pause(50, 900).await;
        if client.chance(250) {
            decide_all(&mut client, &format!("desk-{number}"), true).await;
        }
        if client.chance(20) {
            forget(&mut client, number).await;
        }
        let rows = client.world.store.edit(|tables| tables.orders.len());
        if rows == 0 {
            continue;
        }
        let nth = client.rng.usize(0..rows);
        let row = client
            .world
            .store
            .edit(|tables| tables.orders.values().nth(nth).cloned());
        if let Some(row) = row {
            look_at(&mut client, &row, number).await;
        }
    }
}

async fn ask(client: &mut Client, asked: Asked) {
    drop(client.settle(&asked, Patience::Takes).await);
}

/// Does something about an order that its state allows, or did a moment ago.
async fn look_at(client: &mut Client, row: &OrderRow, number: u32) {
    let order = &row.body;
    let id = order.id.clone();
    let key = format!("d-{number}");
    let dice = client.rng.u8(0..10);
    let paid = order.payment.captured() - order.refund_requested();
    match order.status {
        Status::Confirmed if dice < 4 => {
            let reason = Some("out of fashion".to_owned());
            let cancel = Command::CancelOrder { id, reason };
            ask(client, request(&Who::Shop, Some(&key), cancel)).await;
        }
        Status::Confirmed | Status::Shipped | Status::Delivered if dice < 7 && paid > 0 => {
            let most = paid.min(2 * PRICE);
            let all = client.rng.bool();
            let part = client.rng.i64(1..=most);
            let command = Command::RefundOrder {
                id,
                refund: RefundId::new(&format!("r-{key}")).expect("a well-formed id"),
                amount: (!all).then(|| euros(part)),
                reason: None,
            };
            ask(client, request(&Who::Shop, Some(&key), command)).await;
        }
        _ if order.units == Units::Left && !order.lines.is_empty() => {
            let line = &order.lines[client.rng.usize(0..order.lines.len())];
            let units = client.rng.u64(1..=line.quantity.get());
            let lines = vec![ReturnLine {
                sku: line.sku.clone(),
                quantity: quantity(units),
            }];
            let restock = client.rng.bool();
            let command = Command::ReturnOrder { id, lines, restock };
            ask(client, request(&Who::Staff, Some(&key), command)).await;
        }
        _ => {}
    }
}

/// Erases the private texts of a customer.
async fn forget(client: &mut Client, number: u32) {
    let id = format!("c-{}", client.rng.u32(0..4));
    let customer = CustomerId::new(&id).expect("a well-formed id");
    let mine = Some(&customer);
    let texts = client.world.store.edit(|tables| {
        let all = tables.private.values();
        let mine = all.filter(|row| row.customer.as_ref() == mine && row.erased_at.is_none());
        mine.map(|row| row.id).collect::<Vec<_>>()
    });
    let command = Command::Erase {
        customer,
        texts,
        reason: "asked for it".to_owned(),
    };
    let key = format!("erase-{number}");
    ask(client, request(&Who::Admin, Some(&key), command)).await;
}

/// Decides everything that waits for a person; some of it only, if somebody may come again.
pub(crate) async fn decide_all(client: &mut Client, key: &str, some: bool) {
    trips::mend_all(client, &format!("{key}-saga"), some).await;
    let rows: Vec<OrderRow> = client.world.store.edit(|tables| {
        let all = tables.orders.values();
        all.filter(|row| row.flagged).cloned().collect()
    });
    for row in rows {
        if !some || client.rng.bool() {
            let key = format!("{key}-{}", row.created);
            decide(client, &row, &key).await;
        }
    }
}

/// What a person does about refunds that are stuck: whether they are to be tried on, and what has
/// to be paid by another way if not. Nothing if none is stuck.
fn stuck_refunds(client: &Client, order: &Order) -> Option<(bool, i64)> {
    let refunds = order.refunds.iter().enumerate();
    let mut stuck = refunds.filter(|(_, refund)| refund.run.state == State::Stuck);
    let (number, refund) = stuck.next()?;
    let mut answer = (false, 0);
    for (number, refund) in std::iter::once((number, refund)).chain(stuck) {
        let key = effect_key(order, Task::Refund(number));
        match client.world.providers.refund_stands(&key) {
            Standing::Refused | Standing::Known(Settled::Failed) => answer.1 += refund.amount,
            Standing::Known(Settled::Completed) => {}
            Standing::Unknown | Standing::Known(Settled::Pending) => answer.0 = true,
        }
    }
    Some(answer)
}

/// Decides what becomes of one order that waits.
async fn decide(client: &mut Client, row: &OrderRow, key: &str) {
    let order = &row.body;
    let refunds = stuck_refunds(client, order);
    let (go_on, by_hand) = match refunds {
        Some((true, _)) => (true, 0),
        // Somebody who did not telephone.
        Some((false, _)) if client.chance(200) => (true, 0),
        Some((false, amount)) => (false, amount),
        None => (client.chance(400), 0),
    };
    let command = Command::ResolveOrder {
        id: order.id.clone(),
        go_on,
        confirming: Millis(3_000),
        reason: Some("looked at".to_owned()),
    };
    let mut asked = request(&Who::Staff, Some(key), command);
    asked.request.expected = Some(row.version);
    let answer = client.settle(&asked, Patience::Takes).await;
    if matches!(answer, Some(Ok(_))) && by_hand > 0 {
        let world = &client.world;
        let order = order.id.as_str();
        world.providers.pay_by_hand(world, order, by_hand);
    }
}
