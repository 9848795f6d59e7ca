//! One connection to the server, read strictly.

use crate::answer::{self, Answer};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(90);

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    answer: Answer,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.answer.header(name)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.answer.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The problem's code; empty where there is none.
    pub(crate) fn code(&self) -> String {
        let text = self.json()["code"].as_str().map(str::to_owned);
        text.unwrap_or_default()
    }
}

/// The first answer in some bytes, if all of it is there, and its length.
pub(crate) fn whole(bytes: &[u8]) -> Option<(Reply, usize)> {
    let (answer, length) = answer::whole(bytes)?;
    let status = answer.status;
    Some((Reply { status, answer }, length))
}

/// A request as it is sent.
pub(crate) fn request(line: &str, (token, key): (&str, &str), body: &str) -> String {
    let mut head = format!("{line} HTTP/1.1\r\nhost: shop\r\n");
    for (name, value) in [("authorization: Bearer", token), ("idempotency-key:", key)] {
        if !value.is_empty() {
            head.push_str(&format!("{name} {value}\r\n"));
        }
    }
    if !body.is_empty() {
        head.push_str(&format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        ));
    }
    format!("{head}\r\n{body}")
}

/// A connection.
pub(crate) struct Wire {
    stream: TcpStream,
    token: String,
    bytes: Vec<u8>,
}

impl Wire {
    /// Connects as the bearer of a token, or as nobody.
    pub(crate) fn to(address: &str, token: &str) -> Self {
        let stream = TcpStream::connect(address).expect("the system takes it");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        stream.set_nodelay(true).expect("a connection");
        Self {
            stream,
            token: token.to_owned(),
            bytes: Vec::new(),
        }
    }

    /// One request and its answer; POSTs need a key.
    pub(crate) fn ask(&mut self, line: &str, key: &str, body: &str) -> Reply {
        let request = request(line, (&self.token, key), body);
        self.send(request.as_bytes());
        self.answer()
            .expect("the connection is not closed before the answer")
    }

    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.ask(&format!("GET {path}"), "", "")
    }

    /// The same request so often, sent without waiting for answers.
    pub(crate) fn repeat(&mut self, line: &str, count: usize) -> Vec<Reply> {
        let body = if line.starts_with("GET") { "" } else { "{}" };
        let one = request(line, (&self.token, ""), body);
        let mut replies = Vec::with_capacity(count);
        // Few enough at a time that neither side waits for the other to read.
        while replies.len() < count {
            let part = (count - replies.len()).min(50);
            self.send(one.repeat(part).as_bytes());
            for _ in 0..part {
                replies.push(self.answer().expect("each is answered"));
            }
        }
        replies
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// The next answer; nothing when the connection ended.
    pub(crate) fn answer(&mut self) -> Option<Reply> {
        let mut part = [0_u8; 16 * 1024];
        loop {
            if let Some((reply, length)) = whole(&self.bytes) {
                self.bytes.drain(..length);
                return Some(reply);
            }
            match self.stream.read(&mut part) {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.bytes.extend_from_slice(&part[..read]),
            }
        }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }
}
