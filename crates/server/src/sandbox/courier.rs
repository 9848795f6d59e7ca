//! Sends the callbacks: a few at a time, each signed when it is sent, again when nobody took it.
//!
//! A 2xx means that somebody stored it; anything else, or nothing, means that it is sent again. No
//! redirect is followed. A callback is signed anew for each try, with the id that it always has.

use super::Sandbox;
use super::mail::Letter;
use crate::client::outside::Crew;
use crate::client::{Api, Caller, Limits, Pool};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::Receiver;

/// Most callbacks on their way at once.
const SENDERS: usize = 64;
/// Connections to one receiver.
const CONNECTIONS: usize = 32;
/// Receivers whose connections are kept.
const RECEIVERS_MAX: usize = 64;
const LIMITS: Limits = Limits {
    connect: Duration::from_secs(2),
    answer: Duration::from_secs(10),
};

/// A letter that came back from a try.
struct Tried {
    letter: Letter,
    /// Somebody said that it is stored.
    taken: bool,
}

/// Sends what falls due until `stop` turns true, or its sender is gone.
pub(super) async fn run(sandbox: Arc<Sandbox>, mut stop: Receiver<bool>) {
    let mut out: Crew<Tried> = Crew::new();
    let mut sending = 0;
    let mut pools: BTreeMap<String, Pool> = BTreeMap::new();
    loop {
        while sending < SENDERS
            && let Some(letter) = due(&sandbox)
        {
            let pool = pool_of(&mut pools, &letter);
            out.add(send(Arc::clone(&sandbox), pool, letter));
            sending += 1;
        }
        let wait = wait(&sandbox).filter(|_| sending < SENDERS);
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            Some(tried) = out.next() => {
                sending -= 1;
                note(&sandbox, tried);
            }
            () = sandbox.posted.notified() => {}
            () = sandbox.clock.sleep(wait.unwrap_or_default()), if wait.is_some() => {}
        }
    }
}

fn due(sandbox: &Sandbox) -> Option<Letter> {
    let now = sandbox.mono();
    let mut world = sandbox.world.lock();
    let world = &mut *world;
    world.mail.take(now, &world.knobs)
}

/// How long until the next one is due.
fn wait(sandbox: &Sandbox) -> Option<Duration> {
    let due = sandbox.world.lock().mail.next_due()?;
    Some(due.saturating_sub(sandbox.mono()))
}

fn note(sandbox: &Sandbox, Tried { letter, taken }: Tried) {
    let now = sandbox.mono();
    let mut world = sandbox.world.lock();
    world.mail.sent(&letter, now);
    if !taken {
        world.mail.again(letter, now);
    } else if let Some(journal) = &mut world.journal {
        journal.taken(&letter);
    }
}

fn pool_of(pools: &mut BTreeMap<String, Pool>, letter: &Letter) -> Pool {
    let target = &letter.to.target;
    if pools.len() >= RECEIVERS_MAX && !pools.contains_key(target.address()) {
        pools.clear();
    }
    let pool = pools
        .entry(target.address().to_owned())
        .or_insert_with(|| Pool::new(target, LIMITS, CONNECTIONS));
    pool.clone()
}

async fn send(sandbox: Arc<Sandbox>, pool: Pool, letter: Letter) -> Tried {
    let now = sandbox.clock.now();
    let signed = sandbox.ring.sign(&letter.event_id(), now, &letter.body);
    let api = Api::new(&pool, Caller::signed(&signed));
    let answer = api.deliver(&letter.to.path, &letter.body).await;
    let taken = answer.is_ok_and(|answer| answer.is_success());
    Tried { letter, taken }
}
