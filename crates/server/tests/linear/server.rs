//! The server as a process, and clients who write down what they asked and were told.

use crate::answer::whole;
use crate::checker::Call;
use crate::model::{Answer, Ask, Life, units};
use crate::process::{Process, serve, token};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// No answer takes longer; a test that hangs says nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Server {
    process: Process,
    token: String,
}

impl Server {
    /// Starts it and waits until it serves.
    pub(crate) fn start(directory: &Path) -> Self {
        let mut command = serve(directory, "127.0.0.1:0");
        command
            .env("EVENKEEL_LIMITS__HOLDS_PER_CUSTOMER", "0")
            .env("EVENKEEL_LIMITS__ABANDON", "0");
        Self {
            process: Process::start(&mut command).expect("it serves"),
            token: token(directory),
        }
    }

    /// A connection that may do everything.
    pub(crate) fn wire(&self) -> Wire {
        let stream = TcpStream::connect(&self.process.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_nodelay(true).expect("a socket option");
        Wire {
            stream,
            token: self.token.clone(),
        }
    }
}

/// One connection, used for one exchange after the other.
pub(crate) struct Wire {
    stream: TcpStream,
    token: String,
}

impl Wire {
    /// Status and body of the answer.
    pub(crate) fn ask(
        &mut self,
        (method, path): (&str, &str),
        key: Option<&str>,
        body: &Value,
    ) -> (u16, Value) {
        let key = key.map_or(String::new(), |key| format!("idempotency-key: {key}\r\n"));
        let body = match method {
            "GET" => String::new(),
            _ => body.to_string(),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {}\r\n{key}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let sent = self.stream.write_all(request.as_bytes());
        sent.expect("the server reads");
        let mut bytes = Vec::new();
        let mut part = [0_u8; 16 * 1024];
        loop {
            if let Some((answer, _)) = whole(&bytes) {
                let body = serde_json::from_slice(&answer.body).unwrap_or_default();
                return (answer.status, body);
            }
            let read = self.stream.read(&mut part).expect("the server answers");
            assert!(read > 0, "the connection ended in an answer's place");
            bytes.extend_from_slice(&part[..read]);
        }
    }

    /// Lists a SKU and brings its units in.
    pub(crate) fn stock(&mut self, sku: &str, units: u64) {
        let entry = json!({"name": sku, "price": {"amount": 100, "currency": "EUR"}});
        let (status, body) = self.ask(("PUT", &format!("/v1/skus/{sku}")), None, &entry);
        assert_eq!(status, 201, "{body}");
        let path = format!("/v1/skus/{sku}/receive");
        let units = json!({"quantity": units, "reference": "po-1"});
        let (status, body) = self.ask(("POST", &path), Some(&format!("in-{sku}")), &units);
        assert_eq!(status, 201, "{body}");
    }

    /// Asks one thing of a SKU's holds and writes it down; nothing if nothing was begun.
    pub(crate) fn call(
        &mut self,
        sku: &str,
        ask: Ask,
        (now, own): (&AtomicU64, &str),
    ) -> Option<Call> {
        let (place, end) = ("/v1/holds".to_owned(), json!({}));
        let id = |hold: usize| format!("{sku}-{hold}");
        let at = |hold: usize, verb: &str| format!("/v1/holds/{}{verb}", id(hold));
        let (method, path, key, body) = match ask {
            Ask::Place(hold) => {
                let lines = json!([{"sku": sku, "quantity": units(hold)}]);
                let body = json!({"id": id(hold), "customer": "c-1", "lines": lines});
                ("POST", place, format!("place-{}", id(hold)), body)
            }
            Ask::Confirm(hold) => ("POST", at(hold, "/confirm"), own.to_owned(), end),
            Ask::Release(hold) => ("POST", at(hold, "/release"), own.to_owned(), end),
            Ask::Look(hold) => ("GET", at(hold, ""), String::new(), end),
        };
        let key = (method == "POST").then_some(key.as_str());
        let began = now.fetch_add(1, Ordering::SeqCst);
        let (status, body) = self.ask((method, &path), key, &body);
        let ended = now.fetch_add(1, Ordering::SeqCst);
        let answer = answer(ask, status, &body)?;
        Some(Call {
            began,
            ended,
            ask,
            answer,
        })
    }
}

/// What an answer says; nothing for a definite no, which nothing was begun for.
fn answer(ask: Ask, status: u16, body: &Value) -> Option<Answer> {
    let code = body["code"].as_str().unwrap_or_default();
    let life = || match body["state"].as_str() {
        Some("held") => Life::Held,
        Some("confirmed") => Life::Confirmed,
        Some("released") => Life::Released,
        other => panic!("a hold is {other:?}: {body}"),
    };
    match (status, code) {
        (201, _) if matches!(ask, Ask::Place(_)) => Some(Answer::Placed),
        (200, _) => Some(Answer::Is(life())),
        (404, "not_found") => Some(Answer::NotFound),
        (409, "stock.sold_out") => Some(Answer::SoldOut),
        (409, "hold.confirmed") => Some(Answer::Ended(Life::Confirmed)),
        (409, "hold.released") => Some(Answer::Ended(Life::Released)),
        (504, _) => Some(Answer::Unknown),
        (409, "in_flight") | (503, _) => None,
        _ => panic!("{ask:?}: {status} {body}"),
    }
}
