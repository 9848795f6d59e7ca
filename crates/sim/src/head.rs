//! The lock on the head row, as a server would keep it.
//!
//! One holder at a time, first come first served. A holder that does nothing for a second loses
//! the lock to whoever waits, and finds out when it comes back; while its COMMIT is under way it
//! keeps it. A crash of the store takes the lock from everybody.

use crate::clock;
use parking_lot::Mutex;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a holder may do nothing.
const IDLE_MAX: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct State {
    holder: Option<Holder>,
    last: u64,
}

#[derive(Debug)]
struct Holder {
    ticket: u64,
    since: Instant,
    committing: bool,
}

/// The lock.
#[derive(Debug, Default)]
pub(crate) struct HeadLock {
    state: Mutex<State>,
    freed: Notify,
}

/// How a holder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// It holds the lock.
    Yes,
    /// It did nothing for too long.
    Lost,
}

impl HeadLock {
    /// Waits for the lock; the ticket names this holding of it.
    pub(crate) async fn acquire(&self) -> u64 {
        loop {
            let until = {
                let mut state = self.state.lock();
                match &state.holder {
                    None => return state.take(),
                    Some(holder) if holder.is_idle() => return state.take(),
                    Some(holder) if holder.committing => None,
                    Some(holder) => Some(holder.since + IDLE_MAX),
                }
            };
            let freed = self.freed.notified();
            match until {
                None => freed.await,
                Some(until) => {
                    let left = until.saturating_duration_since(clock::now());
                    tokio::select! {
                        biased;
                        () = freed => {}
                        () = clock::sleep(left) => {}
                    }
                }
            }
        }
    }

    /// Takes the lock from whoever has it: for a store that does not lock.
    pub(crate) fn seize(&self) -> u64 {
        self.state.lock().take()
    }

    /// Whether this ticket still holds the lock, which it then keeps until it is released.
    pub(crate) fn commit(&self, ticket: u64) -> Held {
        let mut state = self.state.lock();
        match &mut state.holder {
            Some(holder) if holder.ticket == ticket && !holder.is_idle() => {
                holder.committing = true;
                Held::Yes
            }
            _ => Held::Lost,
        }
    }

    /// Gives the lock up, if this ticket has it.
    pub(crate) fn release(&self, ticket: u64) {
        let mut state = self.state.lock();
        if state
            .holder
            .as_ref()
            .is_some_and(|holder| holder.ticket == ticket)
        {
            state.holder = None;
            drop(state);
            self.freed.notify_waiters();
        }
    }

    /// Takes the lock from everybody.
    pub(crate) fn crash(&self) {
        self.state.lock().holder = None;
        self.freed.notify_waiters();
    }
}

impl State {
    fn take(&mut self) -> u64 {
        self.last += 1;
        self.holder = Some(Holder {
            ticket: self.last,
            since: clock::now(),
            committing: false,
        });
        self.last
    }
}

impl Holder {
    fn is_idle(&self) -> bool {
        !self.committing && clock::now() >= self.since + IDLE_MAX
    }
}
