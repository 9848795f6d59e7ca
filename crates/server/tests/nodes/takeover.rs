//! What one node knows or does for all: who does it when that node is dead, and how soon others
//! hear of it.

use crate::shop::{Node, Shop, Ways, place, units};
use crate::subscriber::Subscriber;
use crate::{now, times, until};
use serde_json::json;
use std::collections::VecDeque;
use std::time::Duration;

/// How soon a dead node's work is somebody else's.
const TAKEN_OVER: Duration = Duration::from_secs(5);
/// How soon a node's gate hears of what another one did.
const HEARD: Duration = Duration::from_millis(100);

const ORDERS: u64 = 30;
const HOLDS: u64 = 30;

fn ordered(node: &Node, number: u64) -> String {
    let body = json!({"customer": "c-1", "lines": [{"sku": "vase", "quantity": 1}],
        "payment": {"method": "card", "token": "tok_ok"}});
    let taken = node
        .wire()
        .post("/v1/orders", &format!("order-{number}"), &body);
    let taken = taken.expect("it answers");
    assert_eq!(taken.status, 201, "{taken:?}");
    taken.text("id").to_owned()
}

/// Where an order stands.
fn status(node: &Node, order: &str) -> String {
    let shown = node.wire().get(&format!("/v1/orders/{order}"));
    let shown = shown.expect("it answers");
    shown.text("status").to_owned()
}

/// Whether somebody went on with an order: it is sold, or called off because the provider never
/// heard of the payment that the dead node was to ask for.
fn is_decided(node: &Node, order: &str) -> bool {
    !["PENDING", "PAID"].contains(&&*status(node, order))
}

#[test]
fn what_a_dead_node_was_doing_is_done_by_others_within_five_seconds() {
    let shop = Shop::open(&[]);
    for round in 0..times(1, 6) {
        // The first by name sweeps for all; each has a third of the orders.
        let nodes = ["a", "b", "c"].map(|name| shop.node(&format!("{name}-{round}")));
        nodes.iter().for_each(Node::ready);
        let [first, second, third] = nodes;
        if round == 0 {
            first.stock("vase", 10_000);
            first.stock("lamp", 10_000);
        }
        until("each knows of all", || {
            [&first, &second, &third].map(Node::nodes) == [3, 3, 3]
        });
        shop.turn(&json!({"latency_ms": 300}));
        for number in 0..HOLDS {
            let key = format!("hold-{round}-{number}");
            assert_eq!(place(&mut second.wire(), "lamp", &key, 1_000).status, 201);
        }
        let orders = (0..ORDERS).map(|number| ordered(&second, round * ORDERS + number));
        let orders: Vec<String> = orders.collect();
        first.kill();
        let died = now();
        until("every order is decided", || {
            orders.iter().all(|order| is_decided(&third, order))
        });
        let decided = died.elapsed();
        until("every hold has ended", || {
            units(&mut third.wire(), "lamp", "held") == 0
        });
        let swept = died.elapsed();
        println!("a node died: orders went on after {decided:?}, the sweep after {swept:?}");
        assert!(
            decided < TAKEN_OVER && swept < TAKEN_OVER,
            "{decided:?}, {swept:?}"
        );
        until("the dead one is not counted", || third.nodes() == 2);
        second.kill();
        third.kill();
    }
    shop.verify(None);
}

#[test]
fn whichever_node_dies_subscribers_are_told_of_what_happens_within_five_seconds() {
    let subscriber = Subscriber::listen();
    let shop = Shop::open(&[]);
    let begin = |name: &str| {
        let ways = Ways {
            posts_to: Some(subscriber.address()),
            ..Ways::default()
        };
        let node = shop.node_with(name, ways);
        node.ready();
        node
    };
    let mut nodes = VecDeque::from(["a", "b", "c"].map(begin));
    let url = format!("http://{}/", subscriber.address());
    let wanted = json!({"id": "s-1", "url": url, "types": ["sku.*"]});
    let made = nodes[0]
        .wire()
        .post("/v1/subscriptions", "subscribe", &wanted);
    assert!(made.as_ref().is_ok_and(|it| it.status == 201), "{made:?}");
    let told = |node: &Node, sku: &str| {
        node.stock(sku, 1);
        until("it is told of", || subscriber.knows(sku));
    };
    // Each dies once in a round: the one that posts is among them.
    for round in 0..3 * times(1, 4) {
        told(&nodes[0], &format!("before-{round}"));
        nodes.pop_front().expect("there are three").kill();
        let died = now();
        told(&nodes[0], &format!("behind-{round}"));
        let took = died.elapsed();
        println!("a node died: the next event was told of after {took:?}");
        assert!(took < TAKEN_OVER, "{took:?}");
        nodes.push_back(begin(&format!("d-{round}")));
    }
    shop.verify(None);
    nodes.into_iter().for_each(Node::kill);
}

#[test]
fn a_gate_hears_within_100_ms_of_what_another_node_did() {
    let shop = Shop::open(&[]);
    let (one, two) = (shop.node("a"), shop.node("b"));
    one.stock("vase", 1);
    let (mut here, mut there) = (one.wire(), two.wire());
    let mut took = Vec::new();
    for round in 0..times(20, 200) {
        let held = place(&mut here, "vase", &format!("a-{round}"), 600_000);
        assert_eq!(held.status, 201, "{held:?}");
        for turn in 0..3 {
            let refused = place(&mut there, "vase", &format!("no-{round}-{turn}"), 600_000);
            assert_eq!(refused.text("code"), "stock.sold_out", "{refused:?}");
        }
        let path = format!("/v1/holds/{}/release", held.text("id"));
        let released = here.post(&path, &format!("back-{round}"), &json!({}));
        assert!(released.is_ok_and(|it| it.status == 200));
        let begun = now();
        let mut turn = 0;
        let won = loop {
            turn += 1;
            let asked = place(&mut there, "vase", &format!("b-{round}-{turn}"), 600_000);
            if asked.status == 201 {
                break asked;
            }
        };
        took.push(begun.elapsed());
        let path = format!("/v1/holds/{}/release", won.text("id"));
        let released = there.post(&path, &format!("free-{round}"), &json!({}));
        assert!(released.is_ok_and(|it| it.status == 200));
        until("the first hears of it", || {
            let asked = place(&mut here, "vase", &format!("c-{round}"), 600_000);
            let path = format!("/v1/holds/{}/release", asked.text("id"));
            asked.status == 201
                && here
                    .post(&path, &format!("free-c-{round}"), &json!({}))
                    .is_ok_and(|it| it.status == 200)
        });
    }
    took.sort_unstable();
    let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
    println!("another node's release was heard of after {median:?}, {worst:?} at most");
    assert!(median < HEARD, "{took:?}");
    shop.verify(None);
    one.kill();
    two.kill();
}
