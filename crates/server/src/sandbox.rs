//! Stand-in payment, delivery and product services that misbehave when they are told to.
//!
//! One [`Sandbox`] plays all three behind one listener: it answers by the contract that the engine
//! expects of providers, does strange things by card token (`plan`) and by knob (`knobs`), calls
//! back with signed webhooks (`mail`, `courier`), and shows in its ledger what really happened,
//! for a test to compare with.
//!
//! Kept: an effect is done once for its key, whatever becomes of the answer; the ledger and the
//! answers come from the same entries. Its state is in memory and ends with it, and everything that
//! grows is bounded. It never asks who calls and calls whatever URL it is given: it belongs on
//! loopback, or on a network of tests.

mod address;
mod book;
mod courier;
mod delivery;
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
use knobs::Knobs;
use mail::Mail;
use outcome::Now;
use parking_lot::Mutex;
use payment::Payments;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

/// What a sandbox is given.
pub(crate) struct Options {
    /// The secrets of its callbacks.
    pub(crate) ring: Ring,
    /// The clock that it waits by.
    pub(crate) clock: Arc<dyn Clock>,
}

/// The three services.
struct Sandbox {
    ring: Ring,
    clock: Arc<dyn Clock>,
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
}

impl Sandbox {
    fn new(options: Options) -> Self {
        Self {
            ring: options.ring,
            clock: options.clock,
            world: Mutex::new(World {
                knobs: Knobs::default(),
                payments: Payments::new(),
                deliveries: Deliveries::new(),
                mail: Mail::default(),
                requests: 0,
            }),
            posted: Notify::new(),
        }
    }

    fn now(&self) -> Now {
        Now {
            wall: self.clock.now(),
            mono: self.clock.mono(),
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
pub(crate) fn start(listener: TcpListener, options: Options) -> Handle {
    let sandbox = Arc::new(Sandbox::new(options));
    let (stop, stopped) = watch::channel(false);
    let mut tasks = Crew::new();
    tasks.add(serve::serve(
        listener,
        Arc::clone(&sandbox),
        stopped.clone(),
    ));
    tasks.add(courier::run(sandbox, stopped));
    Handle { stop, tasks }
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
