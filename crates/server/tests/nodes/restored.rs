//! A backup that is put back, under a node that sleeps through it.

use crate::shop::{Shop, place, sell, units};
use rustix::process::Signal;
use std::process::Command;

#[test]
fn a_database_that_was_put_back_believes_nothing_of_the_future_that_was_lost() {
    let shop = Shop::open(&[]);
    let node = shop.node("a");
    let mut sleeper = shop.node("b");
    node.ready();
    sleeper.ready();
    node.stock("lamp", 5);
    let kept = sell(&node, "h-1");
    shop.database.dump();
    let lost = sell(&node, "h-2");
    let _known_to_the_sleeper = sell(&sleeper, "h-3");
    shop.verify(None);

    node.kill();
    sleeper.signal(Signal::STOP);
    shop.database.load();
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command
        .args(["migrate", "--restored", "--data"])
        .arg(shop.scratch().join("operator"))
        .env("EVENKEEL_STORE__URL", shop.url());
    let output = command
        .output()
        .expect("the binary was built for this test");
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let node = shop.node("c");
    node.ready();
    let mut wire = node.wire();
    let refused = wire.get_at("/v1/skus/lamp", &lost).expect("an answer");
    assert_eq!(
        (refused.status, refused.text("code")),
        (409, "token_unknown")
    );
    let shown = wire.get_at("/v1/skus/lamp", &kept).expect("an answer");
    assert_eq!(shown.status, 200, "{shown:?}");
    assert_eq!(units(&mut wire, "lamp", "available"), 4);
    for key in ["n-1", "n-2", "n-3", "n-4"] {
        sell(&node, key);
    }

    // The log has grown beyond what the sleeper knew of it: only its name tells the two apart.
    sleeper.signal(Signal::CONT);
    assert_eq!(sleeper.ended(), Some(3));
    let said = sleeper.said();
    assert!(said.contains("was restored under this process"), "{said}");
    assert_eq!(place(&mut wire, "lamp", "n-5", 600_000).status, 409);
    assert_eq!(units(&mut wire, "lamp", "held"), 5);
    // What was anchored of the lost future is not held against this one.
    shop.verify(None);
}
