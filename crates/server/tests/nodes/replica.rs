//! Reads from a streaming replica that is behind, gone, and back.

use crate::servers::Server;
use crate::shop::{Node, Shop, Ways, sell};
use crate::until;
use crate::wire::Reply;

/// What a read says of a SKU, from where the token leads.
fn seen(node: &Node, token: &str) -> Reply {
    let reply = node.wire().get_at("/v1/skus/lamp", token);
    reply.expect("a running node answers")
}

/// How many reads a replica answered, was too far behind for, and failed.
fn counted(node: &Node) -> [u64; 3] {
    let page = node.wire().get("/metrics").expect("a running node answers");
    let page = page.body.as_str().expect("text").to_owned();
    ["answered", "behind", "failed"].map(|outcome| {
        let line = format!("evenkeel_replica_reads_total{{outcome=\"{outcome}\"}} ");
        let value = page.lines().find_map(|it| it.strip_prefix(&line));
        value.map_or(0, |value| value.parse().expect("a whole number"))
    })
}

#[test]
fn a_replica_answers_what_it_has_and_the_primary_everything_else() {
    let shop = Shop::open(&["synchronous_standby_names = ''"]);
    let standby = Server::standby_of(&shop.database);
    let ways = Ways {
        replica: Some(standby.url("postgres")),
        ..Ways::default()
    };
    let node = shop.node_with("a", ways);
    node.ready();
    node.stock("lamp", 100);

    let first = sell(&node, "h-1");
    until("the replica has it", || {
        let before = counted(&node)[0];
        assert_eq!(seen(&node, &first).body["stock"][0]["held"], 1);
        counted(&node)[0] > before
    });
    standby.run("SELECT pg_wal_replay_pause()");
    let second = sell(&node, "h-2");
    let [_, behind, _] = counted(&node);
    let told = seen(&node, &second);
    assert_eq!(told.body["stock"][0]["held"], 2, "by the primary: {told:?}");
    assert_eq!(counted(&node)[1], behind + 1, "the replica was asked");

    standby.kill();
    let third = sell(&node, "h-3");
    let [_, _, failed] = counted(&node);
    let told = seen(&node, &third);
    assert_eq!(told.body["stock"][0]["held"], 3, "by the primary: {told:?}");
    assert_eq!(counted(&node)[2], failed + 1, "the replica is gone");

    standby.restart();
    until("the replica is asked again", || {
        let before = counted(&node)[0];
        assert_eq!(seen(&node, &third).body["stock"][0]["held"], 3);
        counted(&node)[0] > before
    });
    shop.verify(None);
    node.kill();
}
