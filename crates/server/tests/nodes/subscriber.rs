//! A subscriber: takes every post, and says which events it was told of.

use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Told of events until the test ends.
pub(crate) struct Subscriber {
    port: u16,
    subjects: Arc<Mutex<BTreeSet<String>>>,
}

impl Subscriber {
    /// Listens.
    #[expect(
        clippy::disallowed_methods,
        reason = "it reads and writes beside the test"
    )]
    pub(crate) fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let subjects = Arc::default();
        let subscriber = Self {
            port,
            subjects: Arc::clone(&subjects),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let subjects = Arc::clone(&subjects);
                thread::spawn(move || take(stream, &subjects));
            }
        });
        subscriber
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Whether it was told of something that happened to this.
    pub(crate) fn knows(&self, subject: &str) -> bool {
        self.subjects.lock().contains(subject)
    }
}

/// Takes the posts of one connection until it ends.
fn take(mut stream: TcpStream, subjects: &Mutex<BTreeSet<String>>) {
    const TAKEN: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
    let (mut bytes, mut part) = (Vec::new(), [0_u8; 16 * 1024]);
    while let Ok(read @ 1..) = stream.read(&mut part) {
        bytes.extend_from_slice(&part[..read]);
        while let Some((body, end)) = body(&bytes) {
            let event: Value = serde_json::from_slice(&bytes[body..end]).expect("an event");
            bytes.drain(..end);
            let subject = event["subject"].as_str().expect("it happened to something");
            subjects.lock().insert(subject.to_owned());
            if stream.write_all(TAKEN).is_err() {
                return;
            }
        }
    }
}

/// From where to where the body of the first post reaches, once all of it is there.
fn body(bytes: &[u8]) -> Option<(usize, usize)> {
    let begin = bytes.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..begin]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length?.parse().expect("a length is a number");
    (bytes.len() >= begin + length).then_some((begin, begin + length))
}
