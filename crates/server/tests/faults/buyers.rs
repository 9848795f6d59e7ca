//! Buyers, and the book in which every answer that they got stands.
//!
//! They place, confirm and release holds and order, each request under a key of its own, and send
//! it again under that key until there is an answer that decides. A line of the book is written
//! when the answer has been read: what it promises was promised before whatever happens next.

use crate::pass;
use crate::server::Server;
use crate::wire::{Reply, Silence, Wire};
use fastrand::Rng;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long a buyer waits who was refused or could not connect.
const PAUSE: Duration = Duration::from_millis(5);
/// Units of the one SKU.
const UNITS: u64 = 50_000_000;

/// What comes before a line, for a book that is kept in the layer's journal.
pub(crate) type Frame = fn(usize) -> Vec<u8>;

/// Every answer.
pub(crate) struct Book {
    path: PathBuf,
    file: Mutex<File>,
    frame: Option<Frame>,
    acknowledged: AtomicU64,
    silent: AtomicU64,
    cut: AtomicU64,
    answers: Mutex<BTreeMap<(u16, String), u64>>,
}

impl Book {
    /// A file of lines as `verify --acks` reads them.
    pub(crate) fn new(path: &Path) -> Self {
        Self::in_file(path, None)
    }

    /// Lines at the end of a file that others write as well.
    pub(crate) fn within(path: &Path, frame: Frame) -> Self {
        Self::in_file(path, Some(frame))
    }

    fn in_file(path: &Path, frame: Option<Frame>) -> Self {
        let file = File::options().append(true).create(true).open(path);
        Self {
            path: path.to_owned(),
            file: Mutex::new(file.expect("the book can be written")),
            frame,
            acknowledged: AtomicU64::new(0),
            silent: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            answers: Mutex::default(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Answers that promised an effect.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Answers that ended before their end.
    pub(crate) fn cut(&self) -> u64 {
        self.cut.load(Ordering::SeqCst)
    }

    /// Requests of which nothing came back.
    pub(crate) fn silent(&self) -> u64 {
        self.silent.load(Ordering::SeqCst)
    }

    /// How many answers had this status.
    pub(crate) fn answered(&self, status: u16) -> u64 {
        let answers = self.answers.lock();
        let of = answers.iter().filter(|((known, _), _)| *known == status);
        of.map(|(_, count)| count).sum()
    }

    /// Statuses and codes, in words.
    pub(crate) fn answers(&self) -> String {
        let answers = self.answers.lock();
        let words = answers
            .iter()
            .map(|((status, code), count)| format!("{count} x {status} {code}"));
        words.collect::<Vec<_>>().join(", ")
    }

    fn note(&self, ask: &Ask, outcome: &Result<Reply, Silence>) {
        let mut line = json!({"key": ask.key, "customer": null, "id": ask.id, "method": "POST",
            "route": ask.path, "status": null});
        match outcome {
            Ok(reply) => {
                line["status"] = json!(reply.status);
                if reply.status < 300 && ask.id.is_none() {
                    line["id"] = json!(reply.text("id"));
                }
                let code = reply.text("code");
                if !code.is_empty() {
                    line["code"] = json!(code);
                }
                line["token"] = json!(reply.token);
                line["replayed"] = json!(reply.replayed);
                let known = (reply.status, code.to_owned());
                *self.answers.lock().entry(known).or_default() += 1;
            }
            Err(silence) => {
                line["error"] = json!("reset");
                let count = match silence {
                    Silence::None => &self.silent,
                    Silence::Cut => &self.cut,
                };
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
        let text = format!("{line}\n");
        let mut bytes = self.frame.map_or_else(Vec::new, |frame| frame(text.len()));
        bytes.extend_from_slice(text.as_bytes());
        let written = self.file.lock().write_all(&bytes);
        written.expect("the book can be written");
        if matches!(outcome, Ok(reply) if reply.status < 300) {
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// A request under a key.
#[derive(Debug, Clone)]
struct Ask {
    path: String,
    key: String,
    /// The hold that the path names.
    id: Option<String>,
    body: Value,
}

/// One of them.
pub(crate) struct Buyer {
    number: usize,
    token: String,
    rng: Rng,
    keys: u64,
    /// Sent, and not decided.
    pending: Option<Ask>,
    /// Holds that were placed and not ended by this buyer.
    live: Vec<String>,
    /// How long its holds live.
    ttl_ms: u64,
}

/// Buyers of a server that has just been started, and units for them.
pub(crate) fn crowd(server: &Server, number: usize, rng: &mut Rng) -> Vec<Buyer> {
    let token = server.token();
    let mut wire = Wire::to(server.address(), &token).expect("the server listens");
    let entry = json!({"name": "Lamp", "price": {"amount": 1999, "currency": "EUR"}});
    let listed = wire.put("/v1/skus/lamp", &entry).expect("it answers");
    assert!(listed.status < 300, "{listed:?}");
    let units = json!({"quantity": UNITS, "reference": "po-1"});
    let received = wire.post("/v1/skus/lamp/receive", "receive", &units);
    let received = received.expect("it answers");
    assert!(received.status < 300, "{received:?}");
    let buyer = |number| Buyer {
        number,
        token: token.clone(),
        rng: rng.fork(),
        keys: 0,
        pending: None,
        live: Vec::new(),
        ttl_ms: 600_000,
    };
    (0..number).map(buyer).collect()
}

/// Lets all of them buy until `end` has returned.
pub(crate) fn rush<T>(
    buyers: &mut [Buyer],
    address: &str,
    book: &Book,
    end: impl FnOnce() -> T,
) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for buyer in buyers {
            let over = &over;
            scope.spawn(move || buyer.buy(address, book, over));
        }
        // Also when the end panics: the buyers have to go home.
        let over = Over(&over);
        let done = end();
        drop(over);
        done
    })
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Buyer {
    /// Holds of this buyer that live so long.
    pub(crate) fn with_ttl(mut self, ttl_ms: u64) -> Self {
        self.ttl_ms = ttl_ms;
        self
    }

    fn buy(&mut self, address: &str, book: &Book, over: &AtomicBool) {
        while !over.load(Ordering::SeqCst) {
            let Ok(mut wire) = Wire::to(address, &self.token) else {
                pass(PAUSE);
                continue;
            };
            while !over.load(Ordering::SeqCst) {
                if !self.ask(&mut wire, book) {
                    break;
                }
            }
        }
    }

    /// Asks for one thing; whether the connection can be used again.
    fn ask(&mut self, wire: &mut Wire, book: &Book) -> bool {
        let ask = self.pending.take().unwrap_or_else(|| self.wish());
        let outcome = wire.post(&ask.path, &ask.key, &ask.body);
        book.note(&ask, &outcome);
        let Ok(reply) = outcome else {
            self.pending = Some(ask);
            return false;
        };
        let not_now = matches!(reply.status, 408 | 429 | 503 | 504 | 507)
            || reply.text("code") == "in_flight";
        if not_now {
            self.pending = Some(ask);
            pass(PAUSE);
        } else {
            self.hear(&ask, &reply);
        }
        !reply.last
    }

    /// Asks once more for what was not decided, and must be told now.
    pub(crate) fn settle(&mut self, address: &str, book: &Book) {
        let mut wire = Wire::to(address, &self.token).expect("the server listens");
        for _ in 0..1_000 {
            if self.pending.is_none() {
                return;
            }
            assert!(
                self.ask(&mut wire, book),
                "a connection of a server that runs"
            );
        }
        panic!("never decided: {:?}; {}", self.pending, book.answers());
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        format!("b{}-{}", self.number, self.keys)
    }

    fn wish(&mut self) -> Ask {
        match self.rng.u32(0..10) {
            0..=2 if !self.live.is_empty() => self.end("confirm"),
            3 if !self.live.is_empty() => self.end("release"),
            4 | 5 => self.order(),
            _ => self.place(),
        }
    }

    fn place(&mut self) -> Ask {
        let lines = json!([{"sku": "lamp", "quantity": self.rng.u64(1..=3)}]);
        let customer = format!("c-{}", self.number);
        Ask {
            path: "/v1/holds".to_owned(),
            key: self.key(),
            id: None,
            body: json!({"customer": customer, "lines": lines, "ttl_ms": self.ttl_ms}),
        }
    }

    fn order(&mut self) -> Ask {
        let lines = json!([{"sku": "lamp", "quantity": 1}]);
        let payment = json!({"method": "card", "token": "tok_ok"});
        let customer = format!("c-{}", self.number);
        Ask {
            path: "/v1/orders".to_owned(),
            key: self.key(),
            id: None,
            body: json!({"customer": customer, "lines": lines, "payment": payment}),
        }
    }

    fn end(&mut self, verb: &str) -> Ask {
        let at = self.rng.usize(0..self.live.len());
        let id = self.live.swap_remove(at);
        Ask {
            path: format!("/v1/holds/{id}/{verb}"),
            key: self.key(),
            id: Some(id),
            body: json!({}),
        }
    }

    fn hear(&mut self, ask: &Ask, reply: &Reply) {
        let code = reply.text("code");
        match (ask.path.as_str(), reply.status) {
            ("/v1/holds", 201) => self.live.push(reply.text("id").to_owned()),
            ("/v1/orders", 201) | (_, 200) => {}
            // A hold that had ended: by its deadline.
            (_, 409) if code.starts_with("hold.") => {}
            _ => panic!("{} under {}: {reply:?}", ask.path, ask.key),
        }
    }
}
