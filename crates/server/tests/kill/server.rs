//! The server as a process, and a connection to it that is kept.

use crate::answer::{Answer, whole};
use crate::process::{Process, serve, token};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No answer takes longer; a test that hangs says nothing.
const PATIENCE: Duration = Duration::from_secs(20);

#[expect(
    clippy::disallowed_methods,
    reason = "how long a start takes is measured in real time"
)]
fn now() -> Instant {
    Instant::now()
}

/// What a server finds when it is started again.
pub(crate) struct Home {
    directory: TempDir,
    store: Option<String>,
}

impl Home {
    /// An empty directory, and the database that keeps the ledger if it is not in the directory.
    pub(crate) fn new(store: Option<String>) -> Self {
        let directory = tempfile::tempdir().expect("a scratch directory");
        Self { directory, store }
    }
}

/// A running server.
pub(crate) struct Server {
    process: Process,
    token: String,
    took: Duration,
}

impl Server {
    /// Starts it and waits until it serves.
    pub(crate) fn start(home: &Home) -> Self {
        let (begun, directory) = (now(), home.directory.path());
        let mut command = serve(directory, "127.0.0.1:0");
        let store = home.store.iter();
        command
            .envs(store.map(|url| ("EVENKEEL_STORE__URL", url)))
            .env("EVENKEEL_LIMITS__HOLDS_PER_CUSTOMER", "0")
            .env("EVENKEEL_LIMITS__ABANDON", "0");
        let mut server = Self {
            process: Process::start(&mut command).expect("it serves"),
            token: token(directory),
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
        &self.process.address
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// A connection that may do everything.
    pub(crate) fn wire(&self) -> Wire {
        Wire::to(&self.process.address, &self.token).expect("the server listens")
    }

    /// A connection on which a request was begun and does not go on.
    pub(crate) fn half_a_request(&self) -> TcpStream {
        let mut stream = TcpStream::connect(&self.process.address).expect("the server listens");
        let sent = stream.write_all(b"POST /v1/holds HTTP/1.1\r\nhost: shop\r\ncontent-le");
        sent.expect("the server reads");
        stream
    }

    /// Asks it to end: its exit code, and how long that took.
    pub(crate) fn terminate(mut self) -> (Option<i32>, Duration) {
        let begun = now();
        kill_process(Pid::from_child(&self.process.child), Signal::TERM).expect("the server runs");
        let status = self.process.child.wait().expect("it is ours");
        (status.code(), begun.elapsed())
    }

    /// Kills it with -9; whether it still ran.
    pub(crate) fn kill(mut self) -> bool {
        let ran = self.process.child.try_wait().expect("it is ours").is_none();
        drop(self);
        ran
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
            if let Some((answer, _)) = whole(&self.bytes) {
                return Ok(Reply::of(&answer));
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

impl Reply {
    fn of(answer: &Answer) -> Self {
        let position = answer.header("evenkeel-position");
        let position = position.and_then(|token| token.rsplit(':').next());
        Self {
            status: answer.status,
            replayed: answer.header("idempotency-replayed") == Some("true"),
            position: position.and_then(|text| text.parse().ok()),
            body: serde_json::from_slice(&answer.body).unwrap_or_default(),
        }
    }
}
