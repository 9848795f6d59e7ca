//! Three nodes under load, and everything at once: killed, stopped, added.

use crate::load::Load;
use crate::proxy::Proxy;
use crate::shop::{Shop, Ways, checked};
use crate::{now, pass, times, until};
use rustix::process::Signal;
use std::time::Duration;

/// How long one round of faults takes, about.
const ROUND: u64 = 9;

#[test]
fn three_nodes_under_load_lose_nothing_whatever_happens_to_one() {
    let pause = Duration::from_secs(times(5, 30));
    let rounds = times(1, 16);
    let seconds = rounds * (ROUND + pause.as_secs()) + 2;
    let shop = Shop::open(&[]);
    let names = ["a", "b", "c"];
    let mut nodes = names.map(|name| Some(shop.node(name)));
    let ports: Vec<u16> = nodes
        .iter()
        .flatten()
        .map(crate::shop::Node::port)
        .collect();
    let balancer = Proxy::to(&ports);
    let token = nodes[0].as_ref().expect("it runs").token().to_owned();
    let to = (balancer.port(), token.as_str());
    // One that is never sold out, and one that is from early on.
    let mut load = Load::begin(to, (seconds, 5_000_000), shop.scratch());
    let scarce = Load::begin(to, (seconds, 20 * seconds), shop.scratch());
    let (mut kills, mut pauses) = (0_u64, 0_u64);
    let mut added = Vec::new();
    for round in 0..rounds {
        let at = usize::try_from(round).expect("few") % 3;
        let (dies, stops) = (at, (at + 1) % 3);
        // Killed, and started again where the balancer knows it.
        let node = nodes[dies].take().expect("it runs");
        let address = node.address().to_owned();
        node.kill();
        kills += 1;
        pass(Duration::from_secs(2));
        let ways = Ways {
            address: Some(&address),
            ..Ways::default()
        };
        nodes[dies] = Some(shop.node_with(names[dies], ways));
        // Stopped for longer than its lease lasts.
        let node = nodes[stops].as_ref().expect("it runs");
        let before = node.fenced();
        node.signal(Signal::STOP);
        pass(pause);
        node.signal(Signal::CONT);
        pauses += 1;
        until("it finds its lease gone", || node.fenced() > before);
        // One more.
        if added.len() < 2 {
            let more = shop.node(&format!("d-{round}"));
            balancer.add(more.port());
            added.push(more);
        }
        let before = load.acknowledged();
        let begun = now();
        until("it goes on", || {
            load.acknowledged() > before || !load.runs()
        });
        println!("round {round}: goes on after {:?}", begun.elapsed());
    }
    let (report, acks) = load.end();
    let (_, more) = scarce.end();
    let all = [acks, more].map(|acks| std::fs::read_to_string(acks).expect("a load wrote it"));
    let acks = shop.scratch().join("acks.jsonl");
    std::fs::write(&acks, all.concat()).expect("a scratch file");
    let verified = shop.verify(Some(&acks));
    let held = ["I5", "I6", "I12", "I22"].map(|id| (id, checked(&verified, id)));
    println!(
        "nodes: {kills} killed, {pauses} stopped, {} added; {} requests, {} errors; {held:?}",
        added.len(),
        report["requests"],
        report["errors"]
    );
    assert!(held.iter().all(|(_, checked)| *checked > 0), "{held:?}");
    for node in nodes.into_iter().flatten().chain(added) {
        node.kill();
    }
}
