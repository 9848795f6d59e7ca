//! A ledger in a directory, moved into the database by `migrate --from DIR --to URL`.

use crate::layer::free_address;
use crate::process::{Process, serve, token};
use crate::shop::{Shop, place, units};
use crate::wire::Wire;
use serde_json::json;
use std::path::Path;
use std::process::{Command, Output};

fn migrate(from: &Path, to: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command.arg("migrate").arg("--from").arg(from);
    let output = command.args(["--to", to]).output();
    output.expect("the binary was built for this test")
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    format!("{out}{err}")
}

#[test]
fn a_directory_that_was_moved_is_sold_from_in_the_database_and_nowhere_else() {
    let shop = Shop::open(&[]);
    let home = shop.scratch().join("a");
    std::fs::create_dir_all(&home).expect("a scratch directory");
    let data = home.join("data");
    let mut old = Process::start(&mut serve(&home, &free_address())).expect("it serves");
    let mut wire = Wire::to(&old.address, &token(&home)).expect("it listens");
    let entry = json!({"name": "Lamp", "price": {"amount": 1999, "currency": "EUR"}});
    assert_eq!(
        wire.put("/v1/skus/lamp", &entry).expect("an answer").status,
        201
    );
    let three = json!({"quantity": 3, "reference": "po-1"});
    let received = wire.post("/v1/skus/lamp/receive", "receive", &three);
    assert_eq!(received.expect("an answer").status, 201);
    let held = place(&mut wire, "lamp", "k-1", 600_000);
    assert_eq!(held.status, 201);
    // It is moved at rest, and not before.
    let running = migrate(&data, &shop.url());
    assert_eq!(running.status.code(), Some(3), "{}", said(&running));
    old.child.kill().expect("it is ours");
    old.child.wait().expect("it is ours");

    let moved = migrate(&data, &shop.url());
    assert_eq!(moved.status.code(), Some(0), "{}", said(&moved));
    assert!(
        said(&moved).contains("every invariant holds"),
        "{}",
        said(&moved)
    );
    assert!(
        Process::start(&mut serve(&home, &free_address())).is_err(),
        "the directory is no store any more"
    );
    let again = migrate(&data, &shop.url());
    assert_eq!(again.status.code(), Some(1), "{}", said(&again));
    assert!(
        said(&again).contains("name an empty database"),
        "{}",
        said(&again)
    );

    let node = shop.node("a");
    let mut wire = node.wire();
    let repeated = place(&mut wire, "lamp", "k-1", 600_000);
    assert_eq!(
        (repeated.status, &repeated.body["id"]),
        (201, &held.body["id"])
    );
    assert_eq!(units(&mut wire, "lamp", "held"), 1);
    for key in ["k-2", "k-3"] {
        assert_eq!(place(&mut wire, "lamp", key, 600_000).status, 201);
    }
    assert_eq!(place(&mut wire, "lamp", "k-4", 600_000).status, 409);
    shop.verify(None);
}

#[test]
fn what_cannot_be_moved_is_said_and_left_as_it_is() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let nowhere = scratch.path().join("nowhere");
    let gone = migrate(&nowhere, "postgres://postgres@127.0.0.1:9/none");
    assert_eq!(gone.status.code(), Some(3), "{}", said(&gone));
    let other = migrate(&nowhere, "sqlite://elsewhere");
    assert_eq!(other.status.code(), Some(2), "{}", said(&other));
    assert!(said(&other).contains("postgres://"), "{}", said(&other));
}
