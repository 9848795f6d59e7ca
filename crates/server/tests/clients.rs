//! Clients in Python and TypeScript that a command makes from the OpenAPI document, and a program
//! in each that buys a lamp with it from the real binary.
//!
//! The tools come from their registries, once for all runs. Where they cannot be had, the test says
//! that it was skipped; with `EVENKEEL_LONG` set it fails then.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

#[path = "common/process.rs"]
mod process;
#[path = "common/run.rs"]
#[expect(dead_code, reason = "the suite of faults uses more of it")]
mod run;

use process::{Process, serve, token};

const BINARY: &str = env!("CARGO_BIN_EXE_evenkeel");

/// The folder with both clients; nothing where the tools cannot be had.
fn generated() -> Option<PathBuf> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../clients/generate");
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("clients");
    let made = Command::new(script).arg(&out).arg(BINARY).output();
    let made = made.expect("there is bash");
    if made.status.success() {
        return Some(out);
    }
    let cannot = [Some(3), Some(127)].contains(&made.status.code());
    assert!(
        cannot && !run::is_long(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    None
}

/// A server with lamps.
struct Shop {
    server: Process,
    secret: String,
    _home: tempfile::TempDir,
}

impl Shop {
    fn open() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory can be made");
        let server = Process::start(serve(home.path(), "127.0.0.1:0").stderr(Stdio::null()));
        let shop = Self {
            server: server.expect("it serves"),
            secret: token(home.path()),
            _home: home,
        };
        let lamp = r#"{"name": "Lamp", "price": {"amount": 1999, "currency": "EUR"}}"#;
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--fail", "--request", "PUT", "--data", lamp])
            .args([
                "--header",
                &format!("authorization: Bearer {}", shop.secret),
            ])
            .args(["--header", "content-type: application/json"])
            .arg(format!("{}/v1/skus/lamp", shop.url()));
        shop.run(&mut curl);
        let receive = ["stock", "receive", "lamp", "2", "--reference", "po-17"];
        shop.run(Command::new(BINARY).args(receive));
        shop
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.address)
    }

    fn run(&self, command: &mut Command) -> Output {
        let command = command.env("EVENKEEL_URL", self.url());
        let output = command.env("EVENKEEL_TOKEN", &self.secret).output();
        let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{command:?}: {output:?}");
        output
    }

    /// Buys under an id by a program, and looks the order up.
    fn buys(&self, id: &str, program: &mut Command, folder: &Path) {
        let said = self.run(program.arg(id).current_dir(folder)).stdout;
        let said = String::from_utf8_lossy(&said);
        assert!(said.starts_with(&format!("{id} ")), "{said}");
        let shown = ["order", "show", id, "--json"];
        let shown = self.run(Command::new(BINARY).args(shown)).stdout;
        let order: Value = serde_json::from_slice(&shown).expect("one JSON object");
        assert_eq!(order["payment"]["status"], "COMPLETED", "{order:#}");
    }
}

#[test]
fn clients_that_a_command_makes_from_the_document_buy_something() {
    let Some(out) = generated() else {
        eprintln!("skipped: the generators of clients cannot be had here");
        return;
    };
    let shop = Shop::open();
    let python = out.join("python");
    let mut with_python = Command::new(python.join("tools/bin/python"));
    shop.buys("o-py", with_python.arg("buy.py"), &python);
    let typescript = out.join("typescript");
    let mut with_node = Command::new("node");
    shop.buys("o-ts", with_node.arg("buy.js"), &typescript);
}
