//! A wire that others go through: before the nodes it shares connections out among those that
//! listen, before the database it does what networks do.
//!
//! What is cut is kept back, not lost: when a cut ends, everything arrives, as TCP would have it.

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What PostgreSQL is sent first of a batch.
const BEGIN: &[u8] = b"Q\0\0\0\x0aBEGIN\0";

/// What the wire does to all that goes through it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    /// How much later everything arrives, each way.
    pub(crate) delay: Duration,
    /// Nothing of what clients say arrives.
    pub(crate) deaf: bool,
    /// Nothing of what they are told arrives.
    pub(crate) mute: bool,
    /// Connections of another storm than the present one are cut.
    pub(crate) storm: u64,
}

struct Shared {
    targets: Mutex<Vec<u16>>,
    next: AtomicUsize,
    weather: watch::Sender<Weather>,
    /// Whom to stop as soon as it has the lock.
    stop: Mutex<Option<Pid>>,
    stopped: AtomicUsize,
}

/// The wire; it ends when this is dropped.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    _runtime: Runtime,
}

impl Proxy {
    /// Lays a wire to ports of this machine.
    pub(crate) fn to(targets: &[u16]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a thread is to be had");
        let shared = Arc::new(Shared {
            targets: Mutex::new(targets.to_vec()),
            next: AtomicUsize::new(0),
            weather: watch::Sender::new(Weather::default()),
            stop: Mutex::new(None),
            stopped: AtomicUsize::new(0),
        });
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)));
        let listener = listener.expect("a loopback port is to be had");
        let port = listener.local_addr().expect("it is bound").port();
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Self {
            port,
            shared,
            _runtime: runtime,
        }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Leads to one more place.
    pub(crate) fn add(&self, port: u16) {
        self.shared.targets.lock().push(port);
    }

    /// Changes the weather.
    pub(crate) fn weather(&self, change: impl FnOnce(&mut Weather)) {
        self.shared.weather.send_modify(change);
    }

    /// Stops this process when it is told next that it has the lock, before it hears of it.
    pub(crate) fn stop_with_lock(&self, process: Pid) {
        *self.shared.stop.lock() = Some(process);
    }

    /// How many were stopped so.
    pub(crate) fn stopped(&self) -> usize {
        self.shared.stopped.load(Ordering::SeqCst)
    }
}

#[expect(clippy::disallowed_methods, reason = "the wire of a test")]
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(carry(client, Arc::clone(&shared)));
    }
}

/// A connection to the next place that listens.
async fn reach(shared: &Shared) -> Option<TcpStream> {
    let targets = shared.targets.lock().clone();
    let first = shared.next.fetch_add(1, Ordering::Relaxed);
    for step in 0..targets.len() {
        let port = targets[(first + step) % targets.len()];
        if let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await {
            return Some(server);
        }
    }
    None
}

async fn carry(client: TcpStream, shared: Arc<Shared>) {
    let mut weather = shared.weather.subscribe();
    // A network that swallows everything lets nobody connect either.
    let silent = |now: &Weather| now.deaf || now.mute;
    if weather.wait_for(|now| !silent(now)).await.is_err() {
        return;
    }
    let Some(server) = reach(&shared).await else {
        return;
    };
    let _as_before = (client.set_nodelay(true), server.set_nodelay(true));
    let storm = shared.weather.borrow().storm;
    let locks = AtomicBool::new(false);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let watched = |bytes: &[u8]| {
        if bytes.windows(BEGIN.len()).any(|part| part == BEGIN) {
            locks.store(true, Ordering::SeqCst);
        }
    };
    let told = |_: &[u8]| {
        if locks.swap(false, Ordering::SeqCst)
            && let Some(process) = shared.stop.lock().take()
        {
            kill_process(process, Signal::STOP).expect("it runs");
            shared.stopped.fetch_add(1, Ordering::SeqCst);
        }
    };
    let up = way((from_client, to_server), &shared, |now| now.deaf, watched);
    let down = way((from_server, to_client), &shared, |now| now.mute, told);
    let cut = async {
        let _over = weather.wait_for(|now| now.storm != storm).await;
    };
    tokio::select! {
        biased;
        () = cut => {}
        () = up => {}
        () = down => {}
    }
}

/// One direction of a connection.
#[expect(clippy::disallowed_methods, reason = "a wire's delay is real time")]
async fn way(
    (mut from, mut to): (OwnedReadHalf, OwnedWriteHalf),
    shared: &Shared,
    is_cut: impl Fn(&Weather) -> bool,
    seen: impl Fn(&[u8]),
) {
    let mut weather = shared.weather.subscribe();
    let mut bytes = vec![0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        seen(&bytes[..read]);
        let delay = weather.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if weather.wait_for(|now| !is_cut(now)).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
