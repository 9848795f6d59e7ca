//! Nodes that are replaced one by one under load, as an upgrade does it.

use crate::load::Load;
use crate::proxy::Proxy;
use crate::shop::{Node, Shop, Ways, checked};
use crate::{pass, times, until};
use rustix::process::Signal;
use std::time::Duration;

#[test]
fn nodes_that_are_replaced_one_by_one_refuse_nobody_for_long_and_lose_nothing() {
    let rounds = times(1, 10);
    let shop = Shop::open(&[]);
    let names = ["a", "b", "c"];
    let mut nodes = names.map(|name| shop.node(name));
    nodes.iter().for_each(Node::ready);
    let balancer = Proxy::to(&nodes.each_ref().map(Node::port));
    let token = nodes[0].token().to_owned();
    let load = Load::begin(
        (balancer.port(), &token),
        (rounds * 3 * 3 + 4, 5_000_000),
        shop.scratch(),
    );
    let mut replaced = 0_u64;
    for _ in 0..rounds {
        for at in 0..names.len() {
            let address = nodes[at].address().to_owned();
            nodes[at].signal(Signal::TERM);
            assert_eq!(nodes[at].ended(), Some(0), "{}", nodes[at].said());
            let ways = Ways {
                address: Some(&address),
                ..Ways::default()
            };
            nodes[at] = shop.node_with(names[at], ways);
            nodes[at].ready();
            replaced += 1;
            let before = load.acknowledged();
            until("it goes on", || load.acknowledged() > before);
            pass(Duration::from_secs(1));
        }
    }
    let (report, acks) = load.end();
    let verified = shop.verify(Some(&acks));
    let held = ["I5", "I6", "I12"].map(|id| (id, checked(&verified, id)));
    println!(
        "nodes: {replaced} replaced; {} requests, {} errors; {held:?}",
        report["requests"], report["errors"]
    );
    assert!(held.iter().all(|(_, checked)| *checked > 0), "{held:?}");
    nodes.into_iter().for_each(Node::kill);
}
