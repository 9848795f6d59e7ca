//! A server of its own for each test, and requests to it.

use crate::process::{Process, serve, token};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// What providers sign under.
pub(crate) const SECRET: &str = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY";
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server with a SKU `lamp` and a token of each role that the rows need.
pub(crate) struct Shop {
    process: Process,
    directory: TempDir,
    admin: String,
    pub(crate) buyer: String,
    pub(crate) other_buyer: String,
    pub(crate) shop: String,
    pub(crate) staff: String,
    pub(crate) auditor: String,
    keys: AtomicU64,
}

impl Shop {
    /// Starts a server with `units` lamps.
    pub(crate) fn open(units: u64) -> Self {
        Self::configured(units, &[])
    }

    /// A server whose providers sign under [`SECRET`], and whose payment provider is not there, so
    /// that every order stays PENDING and nothing but requests moves the head.
    pub(crate) fn without_bank(units: u64) -> Self {
        let nobody = [
            ("EVENKEEL_PAYMENT__URL", "http://127.0.0.1:9"),
            ("EVENKEEL_PAYMENT__WEBHOOK_SECRET", SECRET),
            ("EVENKEEL_DELIVERY__WEBHOOK_SECRET", SECRET),
        ];
        Self::configured(units, &nobody)
    }

    /// A server with a sandbox of its own, which signs under [`SECRET`].
    pub(crate) fn with_sandbox(units: u64) -> Self {
        Self::configured(units, &[("EVENKEEL_PAYMENT__WEBHOOK_SECRET", SECRET)])
    }

    /// The same with a server on which one customer may have any number of live holds.
    pub(crate) fn unlimited(units: u64) -> Self {
        Self::configured(units, &[("EVENKEEL_LIMITS__HOLDS_PER_CUSTOMER", "0")])
    }

    fn configured(units: u64, variables: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let mut command = serve(directory.path(), "127.0.0.1:0");
        command
            .current_dir(directory.path())
            .envs(variables.iter().copied())
            .stderr(Stdio::null());
        let mut shop = Self {
            process: Process::start(&mut command).expect("it serves"),
            admin: token(directory.path()),
            directory,
            buyer: String::new(),
            other_buyer: String::new(),
            shop: String::new(),
            staff: String::new(),
            auditor: String::new(),
            keys: AtomicU64::new(0),
        };
        shop.buyer = shop.token(&json!({"role": "buyer", "customer": "c-1"}));
        shop.other_buyer = shop.token(&json!({"role": "buyer", "customer": "c-2"}));
        shop.shop = shop.token(&json!({"role": "shop"}));
        shop.staff = shop.token(&json!({"role": "staff"}));
        shop.auditor = shop.token(&json!({"role": "auditor"}));
        shop.list("lamp", units);
        shop
    }

    /// Whether the server's files may grow; where not, every write to them fails.
    pub(crate) fn let_files_grow(&self, may: bool) {
        let current = (!may).then_some(0);
        let maximum = None;
        let server = Some(Pid::from_child(&self.process.child));
        let set = prlimit(server, Resource::Fsize, Rlimit { current, maximum });
        set.expect("a limit below the highest can be set");
    }

    /// Where the server keeps its data.
    pub(crate) fn is_quiet(&self) -> bool {
        self.directory.path().join("data").is_dir()
    }

    pub(crate) fn token(&self, body: &Value) -> String {
        let made = self.accepts(&Ask::post("/v1/tokens", &self.admin, &body.to_string()));
        made["token"]
            .as_str()
            .expect("a new token shows its secret")
            .to_owned()
    }

    /// Revokes the token with this id.
    pub(crate) fn revoke(&self, id: &str) {
        self.accepts(&Ask::new(
            "DELETE",
            &format!("/v1/tokens/{id}"),
            &self.admin,
        ));
    }

    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// Lists a SKU and receives units of it.
    pub(crate) fn list(&self, sku: &str, units: u64) {
        let path = format!("/v1/skus/{sku}");
        let entry = json!({"name": "Lamp", "price": {"amount": 1999, "currency": "EUR"}});
        self.accepts(&Ask::put(&path, &self.staff, &entry.to_string()));
        let units = json!({"quantity": units, "reference": "po-1"}).to_string();
        self.accepts(&Ask::post(&format!("{path}/receive"), &self.staff, &units));
    }

    /// Places a hold of lamps and says its id.
    pub(crate) fn hold(&self, units: u64) -> String {
        let hold = self.accepts(&Ask::post("/v1/holds", &self.buyer, &lamps(units)));
        hold["id"].as_str().expect("a hold has an id").to_owned()
    }

    /// Orders lamps for the buyer and waits until the order is in this state.
    pub(crate) fn order(&self, id: &str, units: u64, status: &str) -> Value {
        let body = order(id, units).to_string();
        self.accepts(&Ask::post("/v1/orders", &self.buyer, &body));
        let show = Ask::get(&format!("/v1/orders/{id}"), &self.shop);
        let mut shown = Value::Null;
        for _ in 0..100_000 {
            shown = self.accepts(&show);
            if shown["status"] == status {
                return shown;
            }
        }
        panic!("the order does not become {status}: {shown:#}");
    }

    /// Waits until so many callbacks have been taken in: four for an order that was delivered.
    pub(crate) fn has_heard(&self, callbacks: usize) {
        let log = Ask::get("/v1/log?limit=200", &self.auditor);
        for _ in 0..100_000 {
            let text = self.accepts(&log).to_string();
            if text.matches("\"callback.applied\"").count() >= callbacks {
                return;
            }
        }
        panic!("the sandbox does not call back");
    }

    /// The log's end.
    pub(crate) fn head(&self) -> String {
        let status = self.send(&Ask::new("GET", "/v1/status", &self.auditor));
        assert_eq!(status.status, 200, "{status:?}");
        status.json()["head"]
            .as_str()
            .expect("status names the head")
            .to_owned()
    }

    /// Sends a request that is fine.
    pub(crate) fn accepts(&self, ask: &Ask) -> Value {
        let reply = self.send(ask);
        assert!(
            matches!(reply.status, 200 | 201),
            "{} {}: {reply:?}",
            ask.method,
            ask.path
        );
        reply.json()
    }

    /// Sends a request that must be refused just so, leaving nothing behind.
    pub(crate) fn refuses(&self, ask: &Ask, status: u16, code: &str) -> Reply {
        let key = format!("bad-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        let name = format!(
            "{} {} {}",
            ask.method,
            ask.path,
            String::from_utf8_lossy(&ask.body)
        );
        self.refuses_bytes(&ask.bytes(&key), (status, code), &name)
    }

    /// The same for a request that is given as bytes.
    pub(crate) fn refuses_bytes(
        &self,
        bytes: &[u8],
        (status, code): (u16, &str),
        name: &str,
    ) -> Reply {
        let head = self.head();
        let reply = self.raw(bytes);
        let document = reply.json();
        let found = (reply.status, document["code"].as_str().unwrap_or_default());
        assert_eq!(found, (status, code), "{name}: {reply:?}");
        let kind = reply.header("content-type");
        assert_eq!(kind.as_deref(), Some("application/problem+json"), "{name}");
        assert_eq!(document["type"], format!("urn:evenkeel:{code}"), "{name}");
        assert_eq!(document["status"], status, "{name}");
        for member in ["title", "detail", "instance", "help"] {
            assert!(document[member].is_string(), "{name}: no {member}");
        }
        assert!(document["retryable"].is_boolean(), "{name}");
        if status == 422 && code != "key_reused" {
            let violations = document["violations"].as_array();
            assert!(
                violations.is_some_and(|all| !all.is_empty()),
                "{name}: {document}"
            );
        }
        let text = String::from_utf8_lossy(&reply.body).to_lowercase();
        for word in [
            "panick", ".rs", "sqlite", "select ", "stack", "thread", "0x",
        ] {
            assert!(!text.contains(word), "{name} tells of {word}: {text}");
        }
        assert_eq!(self.head(), head, "{name} left something behind");
        reply
    }

    pub(crate) fn send(&self, ask: &Ask) -> Reply {
        let key = format!("k-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        self.raw(&ask.bytes(&key))
    }

    /// Sends bytes on a connection of their own and reads to its end, or to the answer's.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(&self.process.address).expect("the server listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a time-out can be set");
        // The server may answer and close before it has read everything.
        let _sent = stream.write_all(bytes);
        let mut answer = Vec::new();
        let mut part = [0_u8; 16 * 1024];
        loop {
            if let Some(reply) = Reply::read(&answer) {
                return reply;
            }
            let read = stream.read(&mut part).expect("an answer comes in time");
            assert!(
                read > 0,
                "closed after {:?}",
                String::from_utf8_lossy(&answer)
            );
            answer.extend_from_slice(&part[..read]);
        }
    }
}

/// A body that asks for lamps.
pub(crate) fn lamps(units: u64) -> String {
    json!({"lines": [{"sku": "lamp", "quantity": units}]}).to_string()
}

/// A body that orders lamps.
pub(crate) fn order(id: &str, units: u64) -> Value {
    json!({
        "id": id,
        "lines": [{"sku": "lamp", "quantity": units}],
        "payment": {"method": "card", "token": "tok_ok"},
    })
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) path: String,
    headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    pub(crate) fn new(method: &str, path: &str, secret: &str) -> Self {
        let (method, path) = (method.to_owned(), path.to_owned());
        let ask = Self {
            method,
            path,
            headers: Vec::new(),
            body: Vec::new(),
        };
        if secret.is_empty() {
            ask
        } else {
            ask.with("authorization", &format!("Bearer {secret}"))
        }
    }

    pub(crate) fn get(path: &str, secret: &str) -> Self {
        Self::new("GET", path, secret)
    }

    pub(crate) fn post(path: &str, secret: &str, body: &str) -> Self {
        Self::new("POST", path, secret).json(body.as_bytes())
    }

    pub(crate) fn put(path: &str, secret: &str, body: &str) -> Self {
        Self::new("PUT", path, secret).json(body.as_bytes())
    }

    pub(crate) fn json(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self.with("content-type", "application/json")
    }

    /// Adds a header; one of that name that was there is replaced.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.and(name, value.as_bytes())
    }

    /// Adds a header beside one of that name.
    pub(crate) fn and(mut self, name: &str, value: &[u8]) -> Self {
        self.headers.push((name.to_owned(), value.to_vec()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self
    }

    /// The request on the wire. A POST has a key of its own unless one is named; `none` is none.
    pub(crate) fn bytes(&self, key: &str) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nhost: shop\r\n", self.method, self.path);
        let keyed = self
            .headers
            .iter()
            .any(|(name, _)| name == "idempotency-key");
        if self.method == "POST" && !keyed {
            bytes.push_str(&format!("idempotency-key: {key}\r\n"));
        }
        if !self.body.is_empty() || self.method == "POST" {
            bytes.push_str(&format!("content-length: {}\r\n", self.body.len()));
        }
        let mut bytes = bytes.into_bytes();
        for (name, value) in &self.headers {
            if value != b"none" {
                bytes.extend_from_slice(name.as_bytes());
                bytes.extend_from_slice(b": ");
                bytes.extend_from_slice(value);
                bytes.extend_from_slice(b"\r\n");
            }
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let mut reply = Self {
            status: status?,
            head,
            body: bytes[end + 4..].to_vec(),
        };
        let size: usize = reply.header("content-length")?.parse().ok()?;
        if reply.body.len() < size {
            return None;
        }
        reply.body.truncate(size);
        Some(reply)
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        lines
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned())
    }

    pub(crate) fn json(&self) -> Value {
        let parsed = serde_json::from_slice(&self.body);
        parsed.unwrap_or_else(|_| panic!("not JSON: {} {:?}", self.head, self.body))
    }
}
