//! A stand-in server for one SKU, kept in memory: the routes that `load` uses, by the contract.
//!
//! It exists to be wrong on purpose: each [`Flaw`] breaks one promise, and the generator's own
//! check must say so. The real server is driven by `tests/load.rs`.

use crate::client::outside::{self, Crew};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// The promise that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    /// Gives out one unit more than there are.
    Oversells,
    /// Forgets every tenth hold that it acknowledged.
    ForgetsHolds,
    /// Judges a repeated request anew.
    ForgetsKeys,
    /// Counts a confirm twice.
    SellsTwice,
    /// Says sold out while one unit is left.
    HidesLastUnit,
}

#[derive(Debug)]
struct Hold {
    state: &'static str,
    units: i64,
    deadline: Instant,
}

#[derive(Debug)]
struct Shop {
    flaw: Flaw,
    received: i64,
    available: i64,
    sold: i64,
    holds: BTreeMap<String, Hold>,
    answers: BTreeMap<String, (u16, Value)>,
    made: u64,
}

/// Serves until the crew is dropped; its URL.
pub(super) async fn open(flaw: Flaw) -> (String, Crew<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let shop = Shop {
        flaw,
        received: 0,
        available: 0,
        sold: 0,
        holds: BTreeMap::new(),
        answers: BTreeMap::new(),
        made: 0,
    };
    let shop = Arc::new(Mutex::new(shop));
    let mut doors = Crew::new();
    doors.add(async move {
        let mut crew = Crew::new();
        loop {
            let (stream, _) = listener.accept().await.expect("a client");
            let shop = Arc::clone(&shop);
            crew.add(async move {
                let service = service_fn(move |request| answer(Arc::clone(&shop), request));
                // A client that goes away is no failure of a stand-in.
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    (url, doors)
}

async fn answer(
    shop: Arc<Mutex<Shop>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let key = request.headers().get("idempotency-key").cloned();
    let key = key.map(|key| key.to_str().expect("keys here are ASCII").to_owned());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a whole body")
        .to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (status, value, replayed) = shop.lock().serve(&method, &path, key, &body);
    let mut response = Response::new(Full::new(Bytes::from(value.to_string())));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    let headers = response.headers_mut();
    headers.insert(
        "evenkeel-position",
        http::HeaderValue::from_static("main.1:1"),
    );
    if replayed == Replayed::Yes {
        headers.insert(
            "idempotency-replayed",
            http::HeaderValue::from_static("true"),
        );
    }
    Ok(response)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replayed {
    Yes,
    No,
}

impl Shop {
    fn serve(
        &mut self,
        method: &Method,
        path: &str,
        key: Option<String>,
        body: &Value,
    ) -> (u16, Value, Replayed) {
        self.expire();
        let known = key.as_ref().and_then(|key| self.answers.get(key));
        if let Some((status, value)) = known.filter(|_| self.flaw != Flaw::ForgetsKeys) {
            return (*status, value.clone(), Replayed::Yes);
        }
        let parts: Vec<&str> = path.split('/').skip(2).collect();
        let (status, value) = match (method.as_str(), &*parts) {
            ("PUT", ["skus", _]) => (201, json!({})),
            ("GET", ["skus", _]) => (200, json!({"stock": [self.balances()]})),
            ("POST", ["skus", _, "receive"]) => {
                let quantity = body["quantity"].as_i64().expect("a quantity");
                self.received += quantity;
                self.available += quantity;
                (201, json!({}))
            }
            ("POST", ["tokens"]) => {
                self.made += 1;
                let name = format!("t-{}", self.made);
                (201, json!({"id": name, "token": format!("ek_{name}")}))
            }
            ("DELETE", ["tokens", _]) => (200, json!({})),
            ("POST", ["holds"]) => self.place(body),
            ("GET", ["holds", id]) => self.show(id),
            ("POST", ["holds", id, verb]) => self.end(id, verb),
            _ => (404, json!({"code": "not_found"})),
        };
        if let (true, Some(key)) = (status < 300, key) {
            self.answers.insert(key, (status, value.clone()));
        }
        (status, value, Replayed::No)
    }

    fn held(&self) -> i64 {
        self.holds
            .values()
            .filter(|hold| hold.state == "held")
            .map(|hold| hold.units)
            .sum()
    }

    fn balances(&self) -> Value {
        json!({"location": "main", "received": self.received, "available": self.available,
            "held": self.held(), "sold": self.sold, "shipped": 0, "returned": 0,
            "written_off": 0})
    }

    fn expire(&mut self) {
        let now = outside::now();
        for hold in self.holds.values_mut() {
            if hold.state == "held" && hold.deadline <= now {
                hold.state = "expired";
                self.available += hold.units;
            }
        }
    }

    fn place(&mut self, body: &Value) -> (u16, Value) {
        let units = body["lines"][0]["quantity"].as_i64().expect("a quantity");
        let spare = match self.flaw {
            Flaw::Oversells => 1,
            Flaw::HidesLastUnit => -1,
            Flaw::None | Flaw::ForgetsHolds | Flaw::ForgetsKeys | Flaw::SellsTwice => 0,
        };
        if units > self.available + spare {
            return (409, json!({"code": "stock.sold_out", "as_of": "main.1:1"}));
        }
        self.made += 1;
        self.available -= units;
        let id = format!("h-{}", self.made);
        let ttl = Duration::from_millis(body["ttl_ms"].as_u64().unwrap_or(600_000));
        // No hold of a test outlives its run for long, so that an orphan is not waited for.
        let deadline = outside::now() + ttl.min(Duration::from_secs(3));
        self.holds.insert(
            id.clone(),
            Hold {
                state: "held",
                units,
                deadline,
            },
        );
        (201, json!({"id": id, "state": "held"}))
    }

    fn show(&self, id: &str) -> (u16, Value) {
        let forgotten = self.flaw == Flaw::ForgetsHolds && id.ends_with('0');
        match self.holds.get(id).filter(|_| !forgotten) {
            Some(hold) => (200, json!({"id": id, "state": hold.state})),
            None => (404, json!({"code": "not_found"})),
        }
    }

    fn end(&mut self, id: &str, verb: &str) -> (u16, Value) {
        let hold = self
            .holds
            .get_mut(id)
            .expect("only known holds are ended here");
        if hold.state != "held" {
            return (409, json!({"code": format!("hold.{}", hold.state)}));
        }
        if verb == "confirm" {
            hold.state = "confirmed";
            self.sold += hold.units;
            if self.flaw == Flaw::SellsTwice {
                self.sold += hold.units;
                self.available -= hold.units;
            }
        } else {
            hold.state = "released";
            self.available += hold.units;
        }
        (200, json!({"id": id, "state": hold.state}))
    }
}
