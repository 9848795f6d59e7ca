//! A sandbox on loopback, somebody who asks it, and somebody whom it calls back.

use super::step_clock::StepClock;
use crate::client::outside::{self, Crew};
use crate::client::{Api, Caller, Failure, Limits, Pool, Target};
use crate::sandbox::{Handle, Options, start};
use crate::webhook::Ring;
use crate::webhook::verify::Verdict;
use evenkeel_engine::port::Clock as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// Nothing here takes longer in real time.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(super) fn euro(amount: u64) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

/// A callback that was received: its event, and what it tells.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) timestamp: String,
    pub(super) body: Value,
}

/// Everything that a test needs.
pub(super) struct Stage {
    pub(super) clock: Arc<StepClock>,
    pub(super) url: String,
    ring: Ring,
    callback_url: String,
    received: mpsc::UnboundedReceiver<(HeaderMap, Vec<u8>)>,
    /// What the receiver answers next; 200 when nothing is said.
    answers: mpsc::UnboundedSender<u16>,
    sandbox: Handle,
    _receiver: Crew<()>,
}

/// What came back: status and body, or nothing because the connection ended.
pub(super) type Reply = Option<(u16, Value)>;

impl Stage {
    pub(super) async fn set() -> Self {
        Self::set_with(None).await
    }

    /// With a journal.
    pub(super) async fn set_with(journal: Option<PathBuf>) -> Self {
        let ring = Ring::new(&["the first", "the second"]).expect("these are secrets");
        let clock = Arc::new(StepClock::new());
        let (url, sandbox) = sandbox(&ring, &clock, journal).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (answers, to_answer) = mpsc::unbounded_channel();
        let (to_tell, received) = mpsc::unbounded_channel();
        let mut receiver = Crew::new();
        receiver.add(receive(listener, to_answer, to_tell));
        Self {
            clock,
            url,
            ring,
            callback_url: format!("http://{address}/v1/callbacks"),
            received,
            answers,
            sandbox,
            _receiver: receiver,
        }
    }

    /// The process ends and another one begins, so long after the first did.
    pub(super) async fn restart(&mut self, time: Duration, journal: &Path) {
        self.clock = Arc::new(StepClock::after(time));
        let journal = Some(journal.to_owned());
        (self.url, self.sandbox) = sandbox(&self.ring, &self.clock, journal).await;
    }

    /// Asks, on a connection of its own; ends by itself, so it can be a task.
    pub(super) fn ask(
        &self,
        method: &'static str,
        path: &str,
        key: &str,
        body: &Value,
    ) -> impl Future<Output = Reply> + Send + 'static {
        let target = Target::new(&self.url).expect("a good address");
        let limits = Limits {
            answer: PATIENCE,
            ..Limits::default()
        };
        let api = Api::new(&Pool::new(&target, limits, 1), Caller::nobody());
        let (path, key, body) = (path.to_owned(), key.to_owned(), body.clone());
        async move {
            let answer = match method {
                "GET" => api.get(&path).await,
                "PUT" => api.put(&path, &body).await,
                _ => api.post(&path, &key, &body).await,
            };
            match answer {
                Ok(answer) => Some((answer.status, answer.json().unwrap_or_default())),
                Err(Failure::Broken { broken, .. }) if broken.word() == "reset" => None,
                Err(other) => panic!("{method} {path}: {other}"),
            }
        }
    }

    pub(super) async fn get(&self, path: &str) -> (u16, Value) {
        let reply = self.ask("GET", path, "", &Value::Null).await;
        reply.expect("a question is answered")
    }

    pub(super) async fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let reply = self.ask("POST", path, key, body).await;
        reply.expect("it is answered")
    }

    pub(super) async fn turn(&self, knobs: &Value) {
        let reply = self.ask("PUT", "/knobs", "", knobs).await;
        assert_eq!(reply.expect("it is answered").0, 200, "{knobs}");
    }

    /// The entries of one list of the ledger.
    pub(super) async fn ledger(&self, list: &str) -> Vec<Value> {
        let (status, ledger) = self.get("/ledger").await;
        assert_eq!(status, 200);
        ledger[list].as_array().expect("it is a list").clone()
    }

    /// The body of a charge for order `o-1` of 19.99.
    pub(super) fn charge(&self, token: &str) -> Value {
        let callback = &self.callback_url;
        json!({"order": "o-1", "amount": euro(1999), "token": token, "callback_url": callback})
    }

    /// The body of a delivery for order `o-1`.
    pub(super) fn delivery(&self) -> Value {
        json!({
            "order": "o-1",
            "lines": [{"sku": "lamp", "quantity": 2}],
            "address_ref": "a-1",
            "callback_url": self.callback_url,
        })
    }

    pub(super) fn answer_next(&self, status: u16) {
        self.answers.send(status).expect("the receiver is there");
    }

    /// The next callback, whose signature is checked.
    pub(super) async fn told(&mut self) -> Told {
        let next = outside::within(PATIENCE, self.received.recv()).await;
        let (headers, body) = next.flatten().expect("a callback comes");
        let verdict = self.ring.verify(&headers, &body, self.clock.now());
        let Verdict::Ok(id) = verdict else {
            panic!("{verdict:?}: {headers:?}");
        };
        let timestamp = headers["webhook-timestamp"].to_str().expect("digits");
        Told {
            id,
            timestamp: timestamp.to_owned(),
            body: serde_json::from_slice(&body).expect("it is JSON"),
        }
    }

    /// Nothing was called back: what is called now is the first to come.
    pub(super) async fn told_nothing(&mut self) {
        let mut probe = self.charge("tok_ok");
        probe["order"] = json!("probe");
        self.post("/payment/charges", "probe", &probe).await;
        self.clock.step(ms(100));
        assert_eq!(self.told().await.body["order"], "probe");
    }
}

/// A sandbox and where it is.
async fn sandbox(
    ring: &Ring,
    clock: &Arc<StepClock>,
    journal: Option<PathBuf>,
) -> (String, Handle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let options = Options {
        ring: ring.clone(),
        clock: Arc::clone(clock) as _,
        journal,
    };
    let handle = start(listener, options).expect("the journal is one");
    (url, handle)
}

/// Takes one request a connection and answers it.
async fn receive(
    listener: TcpListener,
    mut answers: mpsc::UnboundedReceiver<u16>,
    to_tell: mpsc::UnboundedSender<(HeaderMap, Vec<u8>)>,
) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("a caller");
        let Some(request) = read(&mut stream).await else {
            continue;
        };
        let status = answers.try_recv().unwrap_or(200);
        let answer =
            format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{{}}");
        stream
            .write_all(answer.as_bytes())
            .await
            .expect("the caller waits");
        if to_tell.send(request).is_err() {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<(HeaderMap, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Request::new(&mut fields);
        let Ok(httparse::Status::Complete(length)) = head.parse(&bytes) else {
            continue;
        };
        assert_eq!(
            (head.method, head.path),
            (Some("POST"), Some("/v1/callbacks"))
        );
        let headers = head.headers.iter().map(|field| {
            let name = HeaderName::from_bytes(field.name.as_bytes()).expect("a name");
            let value = HeaderValue::from_bytes(field.value).expect("a value");
            (name, value)
        });
        let headers = HeaderMap::from_iter(headers);
        let announced = headers["content-length"].to_str().expect("digits");
        let whole = length + announced.parse::<usize>().expect("digits");
        if bytes.len() >= whole {
            return Some((headers, bytes[length..whole].to_vec()));
        }
    }
}
