//! One connection to the server, and how an exchange on it ended.

use crate::answer::{Answer, whole};
use serde_json::Value;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// No answer takes longer, a server that stands still for half a minute included.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The position that it stands for.
    pub(crate) token: Option<String>,
    pub(crate) replayed: bool,
    /// JSON; or text, where it is none.
    pub(crate) body: Value,
    /// The server said that it ends the connection.
    pub(crate) last: bool,
}

impl Reply {
    fn of(answer: &Answer) -> Self {
        let connection = answer.header("connection");
        Self {
            status: answer.status,
            token: answer.header("evenkeel-position").map(str::to_owned),
            replayed: answer.header("idempotency-replayed") == Some("true"),
            body: serde_json::from_slice(&answer.body)
                .unwrap_or_else(|_| String::from_utf8_lossy(&answer.body).into()),
            last: connection.is_some_and(|value| value.eq_ignore_ascii_case("close")),
        }
    }

    /// A member of its body; empty where there is none.
    pub(crate) fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_default()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nothing of an answer came.
    None,
    /// A part of it came, and then the end.
    Cut,
}

/// A connection, used for one exchange after the other.
pub(crate) struct Wire {
    stream: TcpStream,
    token: String,
    bytes: Vec<u8>,
}

impl Wire {
    pub(crate) fn to(address: &str, token: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            token: token.to_owned(),
            bytes: Vec::new(),
        })
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Reply, Silence> {
        self.exchange(("GET", path), None, "")
    }

    /// A read of what has this position.
    pub(crate) fn get_at(&mut self, path: &str, position: &str) -> Result<Reply, Silence> {
        self.exchange(("GET", path), Some(("evenkeel-position", position)), "")
    }

    pub(crate) fn put(&mut self, path: &str, body: &Value) -> Result<Reply, Silence> {
        self.exchange(("PUT", path), None, &body.to_string())
    }

    pub(crate) fn post(&mut self, path: &str, key: &str, body: &Value) -> Result<Reply, Silence> {
        let key = Some(("idempotency-key", key));
        self.exchange(("POST", path), key, &body.to_string())
    }

    fn exchange(
        &mut self,
        (method, path): (&str, &str),
        more: Option<(&str, &str)>,
        body: &str,
    ) -> Result<Reply, Silence> {
        let more = more.map_or(String::new(), |(name, value)| {
            format!("{name}: {value}\r\n")
        });
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {}\r\n{more}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        self.bytes.clear();
        let sent = self.stream.write_all(request.as_bytes());
        // What could not be sent may have been refused already: an answer is read all the same.
        let mut part = [0_u8; 64 * 1024];
        loop {
            if let Some((answer, _)) = whole(&self.bytes) {
                return Ok(Reply::of(&answer));
            }
            let read = match self.stream.read(&mut part) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.unwrap_or(0),
            };
            if read == 0 {
                let none = self.bytes.is_empty() || sent.is_err();
                return Err(if none { Silence::None } else { Silence::Cut });
            }
            self.bytes.extend_from_slice(&part[..read]);
        }
    }
}
