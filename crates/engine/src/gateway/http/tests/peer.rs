//! The other side of the line: it hears requests and answers with exact bytes, or worse.

use super::*;
use parking_lot::Mutex;
use std::sync::atomic::AtomicUsize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// One request, as it was heard.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// `POST /charges`.
    pub(super) line: String,
    /// The whole head, in lower case.
    pub(super) head: String,
    pub(super) key: String,
    pub(super) body: String,
    /// How many its connection had carried before.
    pub(super) before: usize,
}

/// What is done about a request.
pub(super) enum Then {
    /// These bytes, and the connection stays.
    Say(String),
    /// These bytes, and the connection is closed.
    SayAndClose(String),
    /// These bytes, and then nothing for ever.
    SayAndHold(String),
    /// These bytes, and then these again and again until nobody takes them.
    SayForEver(String, String),
    Close,
    Reset,
    /// Nobody listens any more, then the connection is closed.
    Leave,
}

type Manners = dyn Fn(&Request) -> Then + Send + Sync;

struct Shared {
    manners: Box<Manners>,
    heard: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    leaving: Notify,
    left: Notify,
}

/// A server that ends with the test's runtime.
pub(super) struct Peer {
    pub(super) port: u16,
    shared: Arc<Shared>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the other side of the line, which ends with the test's runtime"
)]
fn beside(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(work);
}

impl Peer {
    pub(super) async fn new(manners: impl Fn(&Request) -> Then + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            manners: Box::new(manners),
            heard: Mutex::default(),
            connections: AtomicUsize::new(0),
            leaving: Notify::new(),
            left: Notify::new(),
        });
        beside(listen(listener, Arc::clone(&shared)));
        Self { port, shared }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn heard(&self) -> Vec<Request> {
        self.shared.heard.lock().clone()
    }

    /// How often a key was heard.
    pub(super) fn times(&self, key: &str) -> usize {
        let heard = self.shared.heard.lock();
        heard.iter().filter(|request| request.key == key).count()
    }

    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        tokio::select! {
            biased;
            () = shared.leaving.notified() => break,
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("loopback accepts");
                shared.connections.fetch_add(1, Ordering::SeqCst);
                beside(serve(stream, Arc::clone(&shared)));
            }
        }
    }
    drop(listener);
    shared.left.notify_one();
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut before = 0;
    while let Some(request) = hear(&mut stream, before).await {
        let then = (shared.manners)(&request);
        shared.heard.lock().push(request);
        before += 1;
        let stays = match then {
            Then::Say(bytes) => stream.write_all(bytes.as_bytes()).await.is_ok(),
            Then::SayAndClose(bytes) => {
                drop(stream.write_all(bytes.as_bytes()).await);
                false
            }
            Then::SayAndHold(bytes) => {
                drop(stream.write_all(bytes.as_bytes()).await);
                std::future::pending().await
            }
            Then::SayForEver(bytes, more) => {
                drop(stream.write_all(bytes.as_bytes()).await);
                while stream.write_all(more.as_bytes()).await.is_ok() {}
                false
            }
            Then::Close => false,
            Then::Reset => stream.set_zero_linger().is_err(),
            Then::Leave => {
                shared.leaving.notify_one();
                shared.left.notified().await;
                false
            }
        };
        if !stays {
            return;
        }
    }
}

/// The next request, or nothing when the connection ends.
async fn hear(stream: &mut TcpStream, before: usize) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).expect("a head is ASCII");
    let value = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value).to_owned()
    };
    let length = value("content-length").parse().unwrap_or(0);
    while bytes.len() < head_end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let line = head.lines().next().unwrap_or_default();
    Some(Request {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        key: value("idempotency-key"),
        body: String::from_utf8(bytes[head_end..].to_vec()).expect("a body is JSON"),
        head: head.to_ascii_lowercase(),
        before,
    })
}

/// An answer's bytes.
pub(super) fn answer(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n{body}")
}
