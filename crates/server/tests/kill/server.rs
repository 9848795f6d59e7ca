//! The server as a process, and a connection to it that is kept.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// No answer takes longer; a test that hangs says nothing.
const PATIENCE: Duration = Duration::from_secs(20);

#[expect(
    clippy::disallowed_methods,
    reason = "how long a start takes is measured in real time"
)]
fn now() -> Instant {
    Instant::now()
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    address: String,
    token: String,
    took: Duration,
}

impl Server {
    /// Starts it and waits until it serves.
    pub(crate) fn start(directory: &Path) -> Self {
        let begun = now();
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
        BufReader::new(out)
            .read_line(&mut first)
            .expect("a server says when it serves");
        let address = first.trim().strip_prefix("ready http://");
        let address = address.expect("the first line says ready").to_owned();
        let token = std::fs::read_to_string(directory.join("data/token"));
        let mut server = Self {
            child,
            address,
            token: token
                .expect("a first start leaves a token")
                .trim()
                .to_owned(),
            took: Duration::ZERO,
        };
        let ready = server.wire().get("/readyz");
        assert_eq!(ready.status, 200, "{ready:?}");
        server.took = begun.elapsed();
        server
    }

    /// From the start of the process to its first answer.
    pub(crate) fn took(&self) -> Duration {
        self.took
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// A connection that may do everything.
    pub(crate) fn wire(&self) -> Wire {
        Wire::to(&self.address, &self.token).expect("the server listens")
    }

    /// A connection on which a request was begun and does not go on.
    pub(crate) fn half_a_request(&self) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("the server listens");
        let sent = stream.write_all(b"POST /v1/holds HTTP/1.1\r\nhost: shop\r\ncontent-le");
        sent.expect("the server reads");
        stream
    }

    /// Asks it to end: its exit code, and how long that took.
    pub(crate) fn terminate(mut self) -> (Option<i32>, Duration) {
        let begun = now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the server runs");
        let status = self.child.wait().expect("it is ours");
        (status.code(), begun.elapsed())
    }

    /// Kills it with -9; whether it still ran.
    pub(crate) fn kill(mut self) -> bool {
        let ran = self.child.try_wait().expect("it is ours").is_none();
        drop(self);
        ran
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
    address: String,
    token: String,
    bytes: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) replayed: bool,
    /// The position that the answer stands for.
    pub(crate) position: Option<u64>,
    pub(crate) body: Value,
}

impl Wire {
    pub(crate) fn to(address: &str, token: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            address: address.to_owned(),
            token: token.to_owned(),
            bytes: Vec::new(),
        })
    }

    pub(crate) fn get(&mut self, path: &str) -> Reply {
        let answer = self.exchange("GET", path, None, "");
        answer.expect("a running server answers")
    }

    pub(crate) fn put(&mut self, path: &str, body: &Value) -> Reply {
        let answer = self.exchange("PUT", path, None, &body.to_string());
        answer.expect("a running server answers")
    }

    /// An error is that of the connection: whether anything was done is not known.
    pub(crate) fn post(&mut self, path: &str, key: &str, body: &Value) -> std::io::Result<Reply> {
        self.exchange("POST", path, Some(key), &body.to_string())
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> std::io::Result<Reply> {
        let key = key.map_or(String::new(), |key| format!("idempotency-key: {key}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n{key}\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        );
        self.stream.write_all(request.as_bytes())?;
        self.bytes.clear();
        let mut part = [0_u8; 64 * 1024];
        loop {
            if let Some(reply) = whole(&self.bytes) {
                return Ok(reply);
            }
            let read = match self.stream.read(&mut part) {
                // A process that was stopped for a while.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.bytes.extend_from_slice(&part[..read]);
        }
    }
}

/// The answer, if all of it is there.
fn whole(bytes: &[u8]) -> Option<Reply> {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    };
    let length = header("content-length").expect("every answer says its length");
    let length: usize = length.parse().expect("a length is a number");
    let body = bytes.get(end + 4..end + 4 + length)?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let position = header("evenkeel-position").and_then(|token| token.rsplit(':').next());
    Some(Reply {
        status: status.expect("a status line has a status"),
        replayed: header("idempotency-replayed") == Some("true"),
        position: position.and_then(|text| text.parse().ok()),
        body: serde_json::from_slice(body).unwrap_or_default(),
    })
}
