//! A copy of the data directory that is put back, and `migrate --restored`.

#[path = "common/answer.rs"]
mod answer;
#[path = "common/command.rs"]
mod command;
#[path = "common/process.rs"]
mod process;
#[path = "faults/wire.rs"]
#[expect(dead_code, reason = "the suite of faults uses more of it")]
mod wire;

use command::run;
use process::{Process, serve, token};
use serde_json::json;
use std::path::Path;
use std::process::Output;
use wire::Wire;

fn evenkeel(home: &Path, arguments: &[&str]) -> (Output, String) {
    let output = run(home, arguments);
    let [out, err] = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
    let said = format!("{out}{err}");
    (output, said)
}

fn start(home: &Path) -> (Process, Wire) {
    let server = Process::start(&mut serve(home, "127.0.0.1:0")).expect("it serves");
    let wire = Wire::to(&server.address, &token(home)).expect("it listens");
    (server, wire)
}

/// Sells a lamp; its hold's id and position.
fn sell(wire: &mut Wire, key: &str) -> (String, String) {
    let body = json!({"customer": "c-1", "lines": [{"sku": "lamp", "quantity": 1}]});
    let held = wire.post("/v1/holds", key, &body).expect("an answer");
    assert_eq!(held.status, 201, "{held:?}");
    let id = held.text("id").to_owned();
    (id, held.token.expect("a write has a position"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a scratch directory");
    for entry in std::fs::read_dir(from).expect("it is there") {
        let entry = entry.expect("it is there");
        if entry.path().is_file() {
            let copied = std::fs::copy(entry.path(), to.join(entry.file_name()));
            copied.expect("there is room");
        }
    }
}

const RESTORED: [&str; 4] = ["migrate", "--restored", "--data", "data"];

#[test]
fn a_copy_that_was_put_back_is_named_anew_and_what_it_lost_is_known() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (home, data) = (scratch.path(), scratch.path().join("data"));
    let (server, mut wire) = start(home);
    let entry = json!({"name": "Lamp", "price": {"amount": 1999, "currency": "EUR"}});
    let listed = wire.put("/v1/skus/lamp", &entry).expect("an answer");
    assert_eq!(listed.status, 201);
    let units = json!({"quantity": 2, "reference": "po-1"});
    let received = wire.post("/v1/skus/lamp/receive", "receive", &units);
    assert_eq!(received.expect("an answer").status, 201);
    let (first, kept) = sell(&mut wire, "k-1");
    drop(server);
    copy(&data, &home.join("copy"));
    let (server, mut wire) = start(home);
    let (second, lost) = sell(&mut wire, "k-2");
    let (running, said) = evenkeel(home, &RESTORED);
    assert_eq!(running.status.code(), Some(3), "{said}");
    assert!(said.contains("end it first"), "{said}");
    drop(server);

    std::fs::remove_dir_all(&data).expect("it is ours");
    std::fs::rename(home.join("copy"), &data).expect("it is ours");
    let (done, said) = evenkeel(home, &RESTORED);
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert!(
        said.lines().all(|line| line.chars().count() <= 100),
        "{said}"
    );

    let (server, mut wire) = start(home);
    let refused = wire.get_at("/v1/skus/lamp", &lost).expect("an answer");
    assert_eq!(
        (refused.status, refused.text("code")),
        (409, "token_unknown")
    );
    let shown = wire.get_at("/v1/skus/lamp", &kept).expect("an answer");
    assert_eq!(
        (shown.status, &shown.body["stock"][0]["available"]),
        (200, &json!(1))
    );
    let (third, newer) = sell(&mut wire, "k-3");
    let number = |token: &str| token.rsplit(':').next().map(str::to_owned);
    assert_eq!(
        number(&newer),
        number(&lost),
        "the same position of another future"
    );
    let (name, _) = newer.split_once(':').expect("a token has a name");
    assert!(said.contains(&format!("The log is {name} now")), "{said}");
    let shown = wire.get(&format!("/v1/explain/{lost}")).expect("an answer");
    assert_eq!(shown.status, 404, "{shown:?}");
    drop(server);

    let line = |(key, id, token): (&str, &str, &str)| {
        let line = json!({"key": key, "customer": null, "method": "POST", "route": "/v1/holds",
            "id": id, "status": 201, "token": token});
        format!("{line}\n")
    };
    let told = [
        ("k-1", &first, &kept),
        ("k-2", &second, &lost),
        ("k-3", &third, &newer),
    ];
    let acks: String = told.map(|(key, id, token)| line((key, id, token))).concat();
    std::fs::write(home.join("acks"), acks).expect("there is room");
    let verify = ["verify", "--data", "data", "--acks", "acks"];
    let (verified, said) = evenkeel(home, &verify);
    assert_eq!(verified.status.code(), Some(1), "{said}");
    assert!(said.contains(&second), "{said}");
    assert!(!said.contains(&first) && !said.contains(&third), "{said}");
    let (verified, said) = evenkeel(home, &verify[..3]);
    assert_eq!(verified.status.code(), Some(0), "{said}");
}

#[test]
fn what_cannot_have_been_restored_is_not_named_anew() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let (none, said) = evenkeel(scratch.path(), &RESTORED);
    assert_eq!(none.status.code(), Some(3), "{said}");
    assert!(said.contains("there is no store in data"), "{said}");
    assert!(!scratch.path().join("data").exists(), "and none was made");
    for other in [
        ["--finish"].as_slice(),
        &["--from", "data", "--to", "postgres://x/y"],
    ] {
        let (both, said) = evenkeel(scratch.path(), &[&RESTORED[..2], other].concat());
        assert_eq!(both.status.code(), Some(2), "{said}");
        assert!(said.contains("cannot be used with"), "{said}");
    }
}
