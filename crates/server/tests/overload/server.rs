//! The server as a process.

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::process::{Process, serve, token};
use crate::wire::Wire;

/// A running server; ended with its home when it is dropped.
pub(crate) struct Server {
    process: Process,
    home: tempfile::TempDir,
}

impl Server {
    /// Starts it with these variables.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        handles();
        let home = tempfile::tempdir().expect("a scratch directory");
        let mut command = serve(home.path(), "127.0.0.1:0");
        command
            .env("EVENKEEL_LIMITS__HOLDS_PER_CUSTOMER", "0")
            .env("EVENKEEL_TELEMETRY__LOG_LEVEL", "error")
            .envs(variables.iter().copied())
            .stderr(Stdio::null());
        Self {
            process: Process::start(&mut command).expect("it serves"),
            home,
        }
    }

    /// Starts it on a disk each of whose syncs takes so long.
    pub(crate) fn start_on_slow_disk(ms: u64) -> Self {
        let library = slow_disk().to_str().expect("a path of this test");
        let ms = ms.to_string();
        Self::start(&[("LD_PRELOAD", library), ("SLOW_SYNC_MS", &ms)])
    }

    pub(crate) fn address(&self) -> &str {
        &self.process.address
    }

    pub(crate) fn token(&self) -> String {
        token(self.home.path())
    }

    /// A connection with the first token, which is an admin's.
    pub(crate) fn admin(&self) -> Wire {
        Wire::to(&self.process.address, &self.token())
    }

    /// A buyer's token.
    pub(crate) fn buyer(&self, customer: &str) -> String {
        let body = json!({"role": "buyer", "customer": customer});
        let made = self
            .admin()
            .ask("POST /v1/tokens", customer, &body.to_string());
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["token"].as_str().expect("a secret").to_owned()
    }

    /// Lists a SKU and takes units of it in.
    pub(crate) fn stock(&self, sku: &str, units: u64) {
        let terms = json!({"name": "Lamp", "price": {"amount": 1999, "currency": "EUR"}});
        let mut admin = self.admin();
        let listed = admin.ask(&format!("PUT /v1/skus/{sku}"), "", &terms.to_string());
        assert_eq!(listed.status, 201, "{listed:?}");
        let units = json!({"quantity": units, "reference": "po-1"}).to_string();
        let received = admin.ask(&format!("POST /v1/skus/{sku}/receive"), sku, &units);
        assert_eq!(received.status, 201, "{received:?}");
    }

    /// Memory that it has, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.child.id());
        let status = std::fs::read_to_string(path).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let line = line.expect("a process has memory").trim();
        let number = line.split(' ').next().and_then(|word| word.parse().ok());
        let kib: u64 = number.expect("kibibytes");
        kib * 1024
    }

    /// Files and connections that it has open.
    pub(crate) fn open(&self) -> u64 {
        let handles = std::fs::read_dir(format!("/proc/{}/fd", self.process.child.id()));
        handles.expect("the server runs").count() as u64
    }

    /// How many files and connections it may have open.
    pub(crate) fn let_open(&self, current: u64) {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit {
            current: Some(current),
            maximum,
        };
        let set = prlimit(
            Some(Pid::from_child(&self.process.child)),
            Resource::Nofile,
            limit,
        );
        set.expect("a limit below the highest can be set");
    }
}

/// Handles that a process may have, this one and the servers that it starts: as many as there are.
pub(crate) fn handles() -> u64 {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, all).expect("the highest can be taken");
    maximum.unwrap_or(u64::MAX)
}

/// The slow disk, compiled once; the compiler is the one that SQLite needs.
fn slow_disk() -> &'static Path {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = BUILT.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let library = directory.path().join("slow_disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/overload/slow_disk.c");
        let compiled = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()
            .expect("a C compiler, as for the SQLite that is built in");
        assert!(compiled.status.success(), "{compiled:?}");
        (directory, library)
    });
    library
}
