//! A buyer: what it asks, what it was told, and what must be true of that later.

use crate::ledger::Ledger;
use crate::server::{Reply, Wire};
use fastrand::Rng;
use serde_json::{Value, json};

/// Holds that are asked for again at the very end.
const ASKED_AGAIN: usize = 100;

/// A request that is sent under its key until it is answered.
#[derive(Clone)]
struct Ask {
    path: String,
    key: String,
    body: Value,
    aim: Aim,
}

/// What a request is for.
#[derive(Clone)]
enum Aim {
    /// A new hold.
    Place,
    /// A hold's end, as this state.
    End(String, &'static str),
    /// The answer of a placed hold, by its number, once more.
    Again(usize),
}

/// A hold that was told.
struct Told {
    ask: Ask,
    body: Value,
}

pub(crate) struct Buyer {
    number: usize,
    token: String,
    rng: Rng,
    keys: u64,
    /// Sent, and not answered.
    pending: Option<Ask>,
    retried: u64,
    placed: Vec<Told>,
    /// Holds that were told to have ended, and how.
    ended: Vec<(String, &'static str)>,
    /// How many of both lists were compared with the server already.
    checked: (usize, usize),
}

impl Buyer {
    pub(crate) fn new(number: usize, token: &str, rng: Rng) -> Self {
        Self {
            number,
            token: token.to_owned(),
            rng,
            keys: 0,
            pending: None,
            retried: 0,
            placed: Vec::new(),
            ended: Vec::new(),
            checked: (0, 0),
        }
    }

    /// How many holds it was told of.
    pub(crate) fn placed(&self) -> usize {
        self.placed.len()
    }

    /// How many requests it sent again because it got no answer.
    pub(crate) fn retried(&self) -> u64 {
        self.retried
    }

    /// Asks for one thing after the other; what it did not get an answer to first.
    pub(crate) fn buy_until_it_breaks(&mut self, address: &str) {
        let Ok(mut wire) = Wire::to(address, &self.token) else {
            return;
        };
        loop {
            let ask = match self.pending.take() {
                Some(ask) => {
                    self.retried += 1;
                    ask
                }
                None => self.wish(),
            };
            let Ok(reply) = wire.post(&ask.path, &ask.key, &ask.body) else {
                self.pending = Some(ask);
                return;
            };
            self.hear(ask, reply);
        }
    }

    /// Gets an answer to what it still waits for, and asks for some old holds once more.
    pub(crate) fn settle(&mut self, wire: &mut Wire) {
        if let Some(ask) = self.pending.take() {
            self.retried += 1;
            let reply = wire.post(&ask.path, &ask.key, &ask.body);
            self.hear(ask, reply.expect("a running server answers"));
        }
        for _ in 0..self.placed.len().min(ASKED_AGAIN) {
            let ask = self.once_more();
            let reply = wire.post(&ask.path, &ask.key, &ask.body);
            self.hear(ask, reply.expect("a running server answers"));
        }
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        format!("b{}-{}", self.number, self.keys)
    }

    fn wish(&mut self) -> Ask {
        match self.rng.u32(0..10) {
            0 | 1 if !self.placed.is_empty() => self.once_more(),
            2 | 3 if !self.placed.is_empty() => self.end("confirm", "confirmed"),
            4 if !self.placed.is_empty() => self.end("release", "released"),
            _ => self.place(),
        }
    }

    fn place(&mut self) -> Ask {
        let key = self.key();
        let mut lines = vec![json!({"sku": "lamp", "quantity": self.rng.u64(1..=3)})];
        if self.rng.u32(0..5) == 0 {
            lines.push(json!({"sku": "vase", "quantity": self.rng.u64(1..=2)}));
        }
        let customer = format!("c-{}", self.number);
        let mut body = json!({"customer": customer, "lines": lines});
        if self.rng.bool() {
            body["id"] = json!(format!("h-{key}"));
        }
        if self.rng.u32(0..10) == 0 {
            body["ttl_ms"] = json!(1000);
        }
        Ask {
            path: "/v1/holds".to_owned(),
            key,
            body,
            aim: Aim::Place,
        }
    }

    fn end(&mut self, verb: &str, state: &'static str) -> Ask {
        let key = self.key();
        let at = self.rng.usize(0..self.placed.len());
        let id = text(&self.placed[at].body, "id");
        Ask {
            path: format!("/v1/holds/{id}/{verb}"),
            key,
            body: json!({}),
            aim: Aim::End(id, state),
        }
    }

    fn once_more(&mut self) -> Ask {
        let at = self.rng.usize(0..self.placed.len());
        Ask {
            aim: Aim::Again(at),
            ..self.placed[at].ask.clone()
        }
    }

    fn hear(&mut self, ask: Ask, reply: Reply) {
        let code = reply.body["code"].as_str().unwrap_or_default().to_owned();
        match (&ask.aim, reply.status) {
            (Aim::Place, 201) => {
                assert_eq!(asked(&reply.body), asked(&ask.body), "another quantity");
                let body = reply.body;
                self.placed.push(Told { ask, body });
            }
            (Aim::Place, 409) => assert_eq!(code, "stock.sold_out", "{reply:?}"),
            (Aim::End(id, state), 200) => {
                assert_eq!(reply.body["state"], *state, "{reply:?}");
                self.ended.push((id.clone(), state));
            }
            // Another ending had won: a deadline, or this buyer itself.
            (Aim::End(..), 409) => assert!(code.starts_with("hold."), "{reply:?}"),
            (Aim::Again(at), 201) => {
                assert!(reply.replayed, "a second hold for one key: {reply:?}");
                assert_eq!(reply.body, self.placed[*at].body, "another answer");
            }
            (Aim::Place | Aim::End(..) | Aim::Again(_), _) => {
                panic!("{} under {}: {reply:?}", ask.path, ask.key)
            }
        }
    }

    /// Compares what it was told since the last time with what the server shows and has logged.
    pub(crate) fn check_what_was_told(&mut self, wire: &mut Wire, ledger: &Ledger) {
        for told in &self.placed[self.checked.0..] {
            let id = text(&told.body, "id");
            let shown = wire.get(&format!("/v1/holds/{id}"));
            assert_eq!(shown.status, 200, "{id} is lost: {shown:?}");
            assert_eq!(asked(&shown.body), asked(&told.ask.body), "{id}");
        }
        for told in &self.placed {
            let id = text(&told.body, "id");
            assert_eq!(ledger.lines(&id), Some(&asked(&told.ask.body)), "{id}");
        }
        for (id, state) in &self.ended {
            assert_eq!(ledger.state(id), Some(*state), "{id}");
        }
        for (id, state) in &self.ended[self.checked.1..] {
            let shown = wire.get(&format!("/v1/holds/{id}"));
            assert_eq!(shown.body["state"], *state, "{id}");
        }
        self.checked = (self.placed.len(), self.ended.len());
    }
}

fn text(body: &Value, member: &str) -> String {
    let found = body[member].as_str();
    found.expect("a body has its members").to_owned()
}

/// SKUs and units of a body with lines, sorted.
pub(crate) fn asked(body: &Value) -> Vec<(String, u64)> {
    let lines = body["lines"].as_array().expect("a hold has lines");
    let mut units: Vec<(String, u64)> = lines
        .iter()
        .map(|line| {
            let quantity = line["quantity"].as_u64().expect("a line has a quantity");
            (text(line, "sku"), quantity)
        })
        .collect();
    units.sort();
    units
}
