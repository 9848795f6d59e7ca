//! The server as a process, and clients who write down what they asked and were told.

use crate::checker::Call;
use crate::model::{Answer, Ask, Life, units};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// No answer takes longer; a test that hangs says nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Server {
    child: Child,
    address: String,
    token: String,
}

impl Server {
    /// Starts it and waits until it serves.
    pub(crate) fn start(directory: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_evenkeel"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(directory.join("data"))
            .env("EVENKEEL_DIE_WITH_PARENT", "1")
            .env("EVENKEEL_LIMITS__HOLDS_PER_CUSTOMER", "0")
            .env("EVENKEEL_LIMITS__ABANDON", "0")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let out = child.stdout.take().expect("standard output is piped");
        let mut first = String::new();
        let read = BufReader::new(out).read_line(&mut first);
        read.expect("a server says when it serves");
        let address = first.trim().strip_prefix("ready http://");
        let token = std::fs::read_to_string(directory.join("data/token"));
        let token = token.expect("a first start leaves a token");
        Self {
            child,
            address: address.expect("the first line says ready").to_owned(),
            token: token.trim().to_owned(),
        }
    }

    /// A connection that may do everything.
    pub(crate) fn wire(&self) -> Wire {
        let stream = TcpStream::connect(&self.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        stream.set_nodelay(true).expect("a socket option");
        Wire {
            stream,
            token: self.token.clone(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited = self.child.wait();
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
            if let Some(answer) = whole(&bytes) {
                return answer;
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

/// The answer, if all of it is there.
fn whole(bytes: &[u8]) -> Option<(u16, Value)> {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.expect("every answer says its length").1;
    let length: usize = length.parse().expect("a length is a number");
    let body = bytes.get(end + 4..end + 4 + length)?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let body = serde_json::from_slice(body).unwrap_or_default();
    Some((status.expect("a status line has a status"), body))
}
