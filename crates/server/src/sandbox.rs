//! Stand-in payment, delivery and product services that misbehave when they are told to.
//!
//! One [`Sandbox`] plays all three behind one listener: it answers by the contract that the engine
//! expects of providers, does strange things by card token (`plan`) and by knob (`knobs`), calls
//! back with signed webhooks (`mail`, `courier`), and shows in its ledger what really happened,
//! for a test to compare with.
//!
//! Kept: an effect is done once for its key, whatever becomes of the answer; the ledger and the
//! answers come from the same entries. Its state is in memory; with a `journal` it is there again
//! after a restart, without one it ends with it. Everything that grows is bounded. It never asks
//! who calls and calls whatever URL it is given: it belongs on loopback, or on a network of tests.

mod address;
mod book;
mod courier;
mod delivery;
mod journal;
mod knobs;
mod mail;
mod outcome;
mod payment;
mod plan;
mod product;
mod routes;
mod serve;

use crate::client::outside::Crew;
use crate::webhook::Ring;
use delivery::Deliveries;
use evenkeel_engine::port::Clock;
use journal::Journal;
use knobs::Knobs;
use mail::Mail;
use outcome::Now;
use parking_lot::Mutex;
use payment::Payments;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

/// What a sandbox is given.
pub(crate) struct Options {
    /// The secrets of its callbacks.
    pub(crate) ring: Ring,
    /// The clock that it waits by.
    pub(crate) clock: Arc<dyn Clock>,
    /// Where it writes down what it was asked, and what it begins with; nothing: nowhere.
    pub(crate) journal: Option<PathBuf>,
}

/// The three services.
struct Sandbox {
    ring: Ring,
    clock: Arc<dyn Clock>,
    /// How long before the clock's own beginning its time begins: the past is part of it.
    before: Duration,
    world: Mutex<World>,
    /// Told when a callback was put into the mail.
    posted: Notify,
}

/// Everything that the services remember.
struct World {
    knobs: Knobs,
    payments: Payments,
    deliveries: Deliveries,
    mail: Mail,
    /// Requests that came so far: the name of an attempt that has no key.
    requests: u64,
    journal: Option<Journal>,
}

impl World {
    fn new() -> Self {
        Self {
            knobs: Knobs::default(),
            payments: Payments::new(),
            deliveries: Deliveries::new(),
            mail: Mail::default(),
            requests: 0,
            journal: None,
        }
    }
}

impl Sandbox {
    fn new(options: Options) -> io::Result<Self> {
        let mut world = World::new();
        let mut before = Duration::ZERO;
        if let Some(path) = &options.journal {
            let now = Now {
                wall: options.clock.now(),
                mono: options.clock.mono(),
            };
            before = journal::replay(path, &mut world, now)?;
            world.journal = Some(Journal::open(path)?);
        }
        Ok(Self {
            ring: options.ring,
            clock: options.clock,
            before,
            world: Mutex::new(world),
            posted: Notify::new(),
        })
    }

    fn mono(&self) -> Duration {
        self.before + self.clock.mono()
    }

    fn now(&self) -> Now {
        Now {
            wall: self.clock.now(),
            mono: self.mono(),
        }
    }
}

/// A sandbox that serves; dropping it ends it at once.
pub(crate) struct Handle {
    stop: watch::Sender<bool>,
    tasks: Crew<()>,
}

impl Handle {
    /// Ends it: what is being answered is answered, callbacks that wait are lost.
    pub(crate) async fn stop(self) {
        let _ended_already = self.stop.send(true);
        self.tasks.all().await;
    }
}

/// Starts a sandbox on a listener. Its tasks end with the handle.
///
/// # Errors
/// The journal cannot be read or written, or is none.
pub(crate) fn start(listener: TcpListener, options: Options) -> io::Result<Handle> {
    let sandbox = Arc::new(Sandbox::new(options)?);
    let (stop, stopped) = watch::channel(false);
    let mut tasks = Crew::new();
    tasks.add(serve::serve(
        listener,
        Arc::clone(&sandbox),
        stopped.clone(),
    ));
    tasks.add(courier::run(sandbox, stopped));
    Ok(Handle { stop, tasks })
}

/// The configuration that makes an engine use the sandbox at this URL.
pub(crate) fn configuration(url: &str, secret: &str) -> String {
    let quoted = toml::Value::from(secret);
    format!(
        "[payment]\nurl = \"{url}/payment\"\nwebhook_secret = {quoted}\n\n\
         [delivery]\nurl = \"{url}/delivery\"\nwebhook_secret = {quoted}\n\n\
         [product]\nurl = \"{url}/product\"\n"
    )
}

#[cfg(test)]
mod tests;
