//! A server on loopback, and requests written byte by byte.

use crate::http::{Api, Door, Replica, Settings, Webhooks, serve};
use crate::webhook::Ring;
use evenkeel_engine::archive::{Archive, Archived};
use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::commit::{Command, Effect};
use evenkeel_engine::gateway::Gateway;
use evenkeel_engine::gateway::memory::InstantGateway;
use evenkeel_engine::gateway::outbound::Outbound;
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::store::segments::SegmentMemory;
use evenkeel_engine::token::hash;
use evenkeel_engine::{Engine, Options, Ports, Request, Threads};
use evenkeel_rules::ids::{CustomerId, LocationId, TokenId};
use evenkeel_rules::time::Millis;
use evenkeel_rules::token::Role;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) engine: Engine,
    keys: AtomicU64,
    _stop: watch::Sender<bool>,
}

/// What the providers of the tests sign under.
pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(super) fn ring(secret: &str) -> Ring {
    Ring::new(&[secret]).expect("a secret")
}

/// The secret of a role's token.
pub(super) fn secret(role: Role) -> String {
    format!("ek_{}", role.name())
}

impl Server {
    /// A server with one token of each role; the buyer is customer `c-1`.
    pub(super) async fn start() -> Self {
        Self::with(Door::Main, false).await
    }

    /// The same with providers that say yes at once.
    pub(super) async fn trading() -> Self {
        let gateway: Arc<dyn Gateway> = Arc::new(InstantGateway::new());
        Self::open(Door::Main, false, Some(gateway)).await
    }

    pub(super) async fn with(door: Door, admin_apart: bool) -> Self {
        Self::open(door, admin_apart, None).await
    }

    /// A server with these providers; without any no order gets further than PENDING.
    pub(super) async fn open(
        door: Door,
        admin_apart: bool,
        gateway: Option<Arc<dyn Gateway>>,
    ) -> Self {
        Self::allocating(door, admin_apart, gateway, &["main"]).await
    }

    /// The same where lines may leave open from which of these locations their units come.
    pub(super) async fn allocating(
        door: Door,
        admin_apart: bool,
        gateway: Option<Arc<dyn Gateway>>,
        allocation: &[&str],
    ) -> Self {
        let store = MemoryStore::new("main", [7; 16]);
        let ports = (gateway, store, None);
        Self::over(ports, (door, admin_apart), allocation).await
    }

    /// A server over a store, beside a copy of it.
    #[expect(
        clippy::disallowed_methods,
        reason = "the listener is a task of the test"
    )]
    pub(super) async fn over(
        (gateway, store, replica): (Option<Arc<dyn Gateway>>, MemoryStore, Option<Arc<Replica>>),
        (door, admin_apart): (Door, bool),
        allocation: &[&str],
    ) -> Self {
        let location = |id: &&str| LocationId::new(id).expect("an id");
        let allocation: Vec<LocationId> = allocation.iter().map(location).collect();
        let store = Archived::new(Arc::new(store), Arc::new(SegmentMemory::default()));
        let store = Arc::new(store);
        let ports = Ports {
            outlet: None,
            store: Arc::clone(&store) as Arc<dyn evenkeel_engine::port::Store>,
            gate: None,
            gateway,
            clock: Arc::new(SystemClock::default()),
            ids: Arc::new(SystemIds),
        };
        let options = Options {
            threads: Threads::Shared,
            allocation: allocation.clone(),
            ..Options::default()
        };
        let engine = Engine::start(ports, options)
            .await
            .expect("an engine in memory starts");
        let head = engine.head().await.expect("a store in memory").position;
        if head == 0 {
            for role in Role::ALL {
                token(&engine, role, &secret(role), "c-1").await;
            }
            token(&engine, Role::Buyer, "ek_other", "c-2").await;
        }
        let settings = Settings {
            ttl: Millis(600_000),
            max_life: Millis(3_600_000),
            confirming: Millis(900_000),
            webhooks: Webhooks {
                payment: Some(ring(SECRET)),
                delivery: Some(ring(SECRET)),
            },
            outbound: Outbound::public_and(&["127.0.0.1:9000"]).expect("a place"),
            low_at: 10,
            allocates: allocation.len() > 1,
            admin_apart,
            rates: crate::http::Most::default(),
            anchors: crate::anchors::Anchors::none(),
            replica,
            archive: Some(Arc::new(Archive::new(engine.clone(), store))),
        };
        let api = Api::new(engine.clone(), Arc::new(SystemIds), settings, None);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve(listener, api, door, stopped));
        Self {
            address,
            engine,
            // No key of a server that was there before.
            keys: AtomicU64::new(head * 100),
            _stop: stop,
        }
    }

    pub(super) async fn head(&self) -> u64 {
        self.engine
            .head()
            .await
            .expect("a store in memory is there")
            .position
    }

    /// Sends bytes on a connection of their own and reads what comes until it ends or is whole.
    pub(super) async fn raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address)
            .await
            .expect("the server listens");
        // The server may answer and close before it has read everything.
        let _sent = stream.write_all(bytes).await;
        reply(&mut stream).await
    }

    pub(super) async fn send(&self, ask: &Ask<'_>) -> Reply {
        self.raw(&ask.bytes(&format!("k-{}", self.keys.fetch_add(1, Ordering::Relaxed))))
            .await
    }

    pub(super) async fn get(&self, role: Role, path: &str) -> Reply {
        self.send(&Ask::new("GET", path).role(role)).await
    }

    pub(super) async fn post(&self, role: Role, path: &str, body: &str) -> Reply {
        self.send(&Ask::new("POST", path).role(role).body(body))
            .await
    }

    pub(super) async fn put(&self, role: Role, path: &str, body: &str) -> Reply {
        self.send(&Ask::new("PUT", path).role(role).body(body))
            .await
    }

    /// Lists a SKU and receives units of it.
    pub(super) async fn stock(&self, sku: &str, units: u64) {
        let path = format!("/v1/skus/{sku}");
        let listed = self.put(Role::Staff, &path, LAMP).await;
        assert!(matches!(listed.status, 200 | 201), "{listed:?}");
        let body = format!("{{\"quantity\":{units},\"reference\":\"po-1\"}}");
        let received = self
            .post(Role::Staff, &format!("{path}/receive"), &body)
            .await;
        assert_eq!(received.status, 201, "{received:?}");
    }

    /// Asks for an order until it stands like this.
    pub(super) async fn order_until(&self, id: &str, stands: impl Fn(&Value) -> bool) -> Value {
        self.until(&format!("/v1/orders/{id}"), stands).await
    }

    /// Asks an operator's question until the answer is like this.
    pub(super) async fn until(&self, path: &str, stands: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let shown = self.get(Role::Operator, path).await;
                assert_eq!(shown.status, 200, "{shown:?}");
                let shown = shown.json();
                if stands(&shown) {
                    return shown;
                }
            }
        };
        let shown = tokio::time::timeout(PATIENCE, asking).await;
        shown.unwrap_or_else(|_| panic!("{path} does not get there"))
    }

    /// Orders lamps, as the buyer `c-1`.
    pub(super) async fn order(&self, id: &str, units: u64) -> Value {
        let body = order_of(id, units).to_string();
        let taken = self.post(Role::Buyer, "/v1/orders", &body).await;
        assert_eq!(taken.status, 201, "{taken:?}");
        taken.json()
    }

    /// Places a hold of some units and says its id.
    pub(super) async fn hold(&self, sku: &str, units: u64) -> String {
        let body = format!("{{\"lines\":[{{\"sku\":\"{sku}\",\"quantity\":{units}}}]}}");
        let placed = self.post(Role::Buyer, "/v1/holds", &body).await;
        assert_eq!(placed.status, 201, "{placed:?}");
        placed.json()["id"]
            .as_str()
            .expect("a hold has an id")
            .to_owned()
    }
}

pub(super) const LAMP: &str =
    "{\"name\":\"Lamp\",\"price\":{\"amount\":1999,\"currency\":\"EUR\"}}";

/// A body that orders lamps.
pub(super) fn order_of(id: &str, units: u64) -> Value {
    json!({
        "id": id,
        "lines": [{"sku": "lamp", "quantity": units}],
        "payment": {"method": "card", "token": "tok_ok"},
    })
}

async fn token(engine: &Engine, role: Role, secret: &str, customer: &str) {
    let customer = CustomerId::new(customer).expect("an id");
    let command = Command::CreateToken {
        id: TokenId::new(&secret.replace('_', "-")).expect("an id"),
        role,
        customer: Some(customer).filter(|_| role == Role::Buyer),
        secret: hash(secret),
    };
    let actor = TokenId::new("test").expect("an id");
    let request = Request {
        command,
        key: None,
        actor,
        owner: None,
        expected: None,
        deadline: None,
    };
    let done = engine.execute(request).await.expect("a token is made");
    assert!(matches!(done.effect, Effect::Token(_)));
}

/// A request to be written.
#[derive(Clone)]
pub(super) struct Ask<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) secret: Option<String>,
    pub(super) key: Option<&'a str>,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: Option<&'a [u8]>,
    pub(super) json: bool,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: &'a str, path: &'a str) -> Self {
        Self {
            method,
            path,
            secret: None,
            key: None,
            headers: Vec::new(),
            body: None,
            json: true,
        }
    }

    pub(super) fn role(self, role: Role) -> Self {
        self.secret(&secret(role))
    }

    pub(super) fn secret(mut self, secret: &str) -> Self {
        self.secret = Some(secret.to_owned());
        self
    }

    pub(super) fn key(mut self, key: &'a str) -> Self {
        self.key = Some(key);
        self
    }

    pub(super) fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(super) fn body(self, body: &'a str) -> Self {
        self.bytes_body(body.as_bytes())
    }

    pub(super) fn bytes_body(mut self, body: &'a [u8]) -> Self {
        self.body = Some(body);
        self
    }

    /// Without the header that says that the body is JSON.
    pub(super) fn untyped(mut self) -> Self {
        self.json = false;
        self
    }

    fn bytes(&self, fresh: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nhost: test\r\n", self.method, self.path);
        let mut put = |name: &str, value: &str| {
            head.push_str(&format!("{name}: {value}\r\n"));
        };
        if let Some(secret) = &self.secret {
            put("authorization", &format!("Bearer {secret}"));
        }
        let own = self
            .headers
            .iter()
            .any(|(name, _)| *name == "idempotency-key");
        match self.key {
            Some("") => {}
            Some(key) => put("idempotency-key", key),
            None if self.method == "POST" && !own => put("idempotency-key", fresh),
            None => {}
        }
        if let Some(body) = self.body {
            put("content-length", &body.len().to_string());
            if self.json {
                put("content-type", "application/json");
            }
        }
        for (name, value) in &self.headers {
            put(name, value);
        }
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(self.body.unwrap_or_default());
        bytes
    }
}

#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Whether the server said that it closes the connection.
    pub(super) closes: bool,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The problem's code, after a look at all that every problem has.
    pub(super) fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let document = self.json();
        for member in ["type", "title", "detail", "instance", "help"] {
            assert!(document[member].is_string(), "{member}: {document}");
        }
        assert_eq!(document["status"], self.status);
        let code = document["code"].as_str().expect("a problem has a code");
        assert_eq!(document["type"], format!("urn:evenkeel:{code}"));
        if self.status == 401 {
            assert!(self.header("www-authenticate").is_some());
        }
        if matches!(self.status, 429 | 503) {
            assert!(self.header("retry-after").is_some());
        }
        code.to_owned()
    }
}

/// Reads one answer.
pub(super) async fn reply(stream: &mut TcpStream) -> Reply {
    tokio::time::timeout(PATIENCE, read(stream))
        .await
        .expect("an answer comes in time")
}

async fn read(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    let mut chunk = [0_u8; 8192];
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut fields);
        if let Ok(httparse::Status::Complete(length)) = head.parse(&bytes) {
            let headers: Vec<_> = head
                .headers
                .iter()
                .map(|field| {
                    let value = String::from_utf8_lossy(field.value).into_owned();
                    (field.name.to_ascii_lowercase(), value)
                })
                .collect();
            let status = head.code.expect("a whole head has a status");
            let find = |name: &str| headers.iter().find(|(known, _)| known == name);
            let size = find("content-length").map_or(0, |(_, value)| value.parse().expect("size"));
            if bytes.len() >= length + size {
                let closes = find("connection").is_some_and(|(_, value)| value == "close");
                let body = bytes[length..length + size].to_vec();
                return Reply {
                    status,
                    headers,
                    body,
                    closes,
                };
            }
        }
        let read = stream
            .read(&mut chunk)
            .await
            .expect("the connection is not reset");
        assert!(
            read > 0,
            "closed after {:?}",
            String::from_utf8_lossy(&bytes)
        );
        bytes.extend_from_slice(&chunk[..read]);
    }
}
