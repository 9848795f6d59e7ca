//! One shop of many nodes: a database, a sandbox that plays the providers, and the nodes.

use crate::layer::{Layer, free_address};
use crate::process::{Process, serve, token};
use crate::servers::Server;
use crate::until;
use crate::wire::{Reply, Wire};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the sandbox signs its callbacks with.
const SECRET: &str = "whsec_c2l4dGVlbi1ieXRlcy1hdC1sZWFzdC10d2VudHktZm91cg==";

/// The database and the providers of a test.
pub(crate) struct Shop {
    pub(crate) database: Server,
    sandbox: Process,
    scratch: tempfile::TempDir,
    token: OnceLock<String>,
}

/// How a node is started, where it is not like the others.
#[derive(Default)]
pub(crate) struct Ways<'a> {
    /// Where it listens; a free port if missing.
    pub(crate) address: Option<&'a str>,
    /// How it reaches the database; directly if missing.
    pub(crate) database: Option<String>,
    /// The database's replica.
    pub(crate) replica: Option<String>,
    /// A place that it may post to beside the public internet.
    pub(crate) posts_to: Option<String>,
    /// What stands between it and its clock.
    pub(crate) layer: Option<&'a Layer>,
}

/// A node.
pub(crate) struct Node {
    process: Process,
    token: String,
    log: PathBuf,
}

impl Shop {
    /// A shop on an empty database whose server has these settings beside the usual ones.
    pub(crate) fn open(settings: &[&str]) -> Self {
        Self::on(Server::start(settings), scratch())
    }

    /// A shop on an empty database, and a layer between its server and what that keeps below a
    /// folder.
    pub(crate) fn open_over(folder: &str, settings: &[&str]) -> (Self, Layer) {
        let scratch = scratch();
        let layer = Layer::of_another(folder, scratch.path());
        let database = Server::start_with(settings, |command| layer.between(command));
        (Self::on(database, scratch), layer)
    }

    fn on(database: Server, scratch: tempfile::TempDir) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command
            .args(["sandbox", "--listen", "127.0.0.1:0", "--secret", SECRET])
            .env("EVENKEEL_DIE_WITH_PARENT", "1");
        Self {
            database,
            sandbox: Process::start(&mut command).expect("it serves"),
            scratch,
            token: OnceLock::new(),
        }
    }

    /// The database's URL.
    pub(crate) fn url(&self) -> String {
        self.database.url("postgres")
    }

    /// A folder of this test.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    fn home(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A layer for the node of this name.
    pub(crate) fn layer(&self, name: &str) -> Layer {
        Layer::new(&self.home(name))
    }

    /// Starts the node of this name: nodes are ordered by it.
    pub(crate) fn node(&self, name: &str) -> Node {
        self.node_with(name, Ways::default())
    }

    /// The same, in another way.
    pub(crate) fn node_with(&self, name: &str, ways: Ways<'_>) -> Node {
        let home = self.home(name);
        std::fs::create_dir_all(&home).expect("a scratch directory");
        let log = home.with_extension("log");
        let said = File::options().create(true).append(true).open(&log);
        let address = ways.address.map_or_else(free_address, str::to_owned);
        let mut command = serve(&home, &address);
        let providers = &self.sandbox.address;
        command
            .env(
                "EVENKEEL_STORE__URL",
                ways.database.unwrap_or_else(|| self.url()),
            )
            .env(
                "EVENKEEL_PAYMENT__URL",
                format!("http://{providers}/payment"),
            )
            .env("EVENKEEL_PAYMENT__WEBHOOK_SECRET", SECRET)
            .env(
                "EVENKEEL_DELIVERY__URL",
                format!("http://{providers}/delivery"),
            )
            .env("EVENKEEL_DELIVERY__WEBHOOK_SECRET", SECRET)
            .env("EVENKEEL_LIMITS__HOLDS_PER_CUSTOMER", "0")
            .env("EVENKEEL_LIMITS__ABANDON", "0")
            .stderr(said.expect("a file for what it says"));
        if let Some(replica) = ways.replica {
            command.env("EVENKEEL_STORE__REPLICA_URL", replica);
        }
        if let Some(place) = ways.posts_to {
            command.env("EVENKEEL_SECURITY__OUTBOUND_ALLOW", place);
        }
        if let Some(layer) = ways.layer {
            layer.between(&mut command);
        }
        let process = Process::start(&mut command);
        let process = process.unwrap_or_else(|status| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("{name} did not start: {status}: {said}")
        });
        // The first node made it; the store of the others has one.
        let token = self.token.get_or_init(|| token(&home)).clone();
        Node {
            process,
            token,
            log,
        }
    }

    /// Turns the sandbox's knobs.
    pub(crate) fn turn(&self, knobs: &Value) {
        let mut wire = Wire::to(&self.sandbox.address, "").expect("it listens");
        let turned = wire.put("/knobs", knobs).expect("it answers");
        assert_eq!(turned.status, 200, "{turned:?}");
    }

    /// Every check of `verify`, over the answers of a file; none may be violated.
    pub(crate) fn verify(&self, acks: Option<&Path>) -> Value {
        self.verify_at(&self.url(), acks)
    }

    /// The same, of the database that a URL leads to.
    pub(crate) fn verify_at(&self, url: &str, acks: Option<&Path>) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
        command
            .args(["verify", "--json", "--data"])
            .arg(self.home("verify"))
            .env("EVENKEEL_STORE__URL", url);
        if let Some(acks) = acks {
            command.arg("--acks").arg(acks);
        }
        let output = command
            .output()
            .expect("the binary was built for this test");
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("no verdict: {output:?}"));
        assert_eq!(report["ok"], true, "{report:#}");
        report
    }
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a scratch directory")
}

/// How many things a check of a report looked at; it must have held.
pub(crate) fn checked(report: &Value, id: &str) -> u64 {
    let checks = report["checks"].as_array().expect("verify has checks");
    let check = checks.iter().find(|check| check["id"] == id);
    let check = check.expect("it is one of them");
    assert_eq!(check["result"], "held", "{check:#}");
    check["checked"].as_u64().expect("a count")
}

impl Node {
    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.process.address
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        let port = self.address().rsplit(':').next();
        let port = port.and_then(|port| port.parse().ok());
        port.expect("an address ends with a port")
    }

    /// An admin's token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process.child)
    }

    /// A connection that may do everything.
    pub(crate) fn wire(&self) -> Wire {
        Wire::to(self.address(), &self.token).expect("it listens")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    /// Kills it with -9; it must have run until then.
    pub(crate) fn kill(mut self) {
        let ended = self.process.child.try_wait().expect("it is ours");
        assert_eq!(ended, None, "it ended by itself: {}", self.said());
        drop(self);
    }

    /// Waits for its end; its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let status = self.process.child.wait();
        status.expect("it is ours").code()
    }

    /// What it has said on standard error.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How many nodes it says there are.
    pub(crate) fn nodes(&self) -> u64 {
        let status = self.wire().get("/v1/status");
        let nodes = status.ok().and_then(|status| status.body["nodes"].as_u64());
        nodes.unwrap_or(0)
    }

    /// How often it found that its lease had run out.
    pub(crate) fn fenced(&self) -> usize {
        self.said().matches("fenced: joining again").count()
    }

    /// Waits until it is ready.
    pub(crate) fn ready(&self) {
        until("the node is ready", || {
            let ready = self.wire().get("/readyz");
            ready.is_ok_and(|ready| ready.status == 200)
        });
    }

    /// Lists a SKU and receives units of it.
    pub(crate) fn stock(&self, sku: &str, units: u64) {
        let mut wire = self.wire();
        let entry = json!({"name": sku, "price": {"amount": 1999, "currency": "EUR"}});
        let listed = wire.put(&format!("/v1/skus/{sku}"), &entry);
        assert!(
            listed.as_ref().is_ok_and(|it| it.status < 300),
            "{listed:?}"
        );
        let units = json!({"quantity": units, "reference": "po-1"});
        let path = format!("/v1/skus/{sku}/receive");
        let received = wire.post(&path, &format!("receive-{sku}"), &units);
        assert!(
            received.as_ref().is_ok_and(|it| it.status == 201),
            "{received:?}"
        );
    }
}

/// Asks for a hold of one unit.
pub(crate) fn place(wire: &mut Wire, sku: &str, key: &str, ttl_ms: u64) -> Reply {
    let lines = json!([{"sku": sku, "quantity": 1}]);
    let body = json!({"customer": "c-1", "lines": lines, "ttl_ms": ttl_ms});
    let reply = wire.post("/v1/holds", key, &body);
    reply.expect("a running node answers")
}

/// Sells a lamp; the position of that.
pub(crate) fn sell(node: &Node, key: &str) -> String {
    let held = place(&mut node.wire(), "lamp", key, 600_000);
    assert_eq!(held.status, 201, "{held:?}");
    held.token.expect("a write has a position")
}

/// What a SKU's balances say of an account.
pub(crate) fn units(wire: &mut Wire, sku: &str, account: &str) -> u64 {
    let shown = wire.get(&format!("/v1/skus/{sku}"));
    let shown = shown.expect("a running node answers");
    let units = shown.body["stock"][0][account].as_u64();
    units.unwrap_or_else(|| panic!("no balances: {shown:?}"))
}
