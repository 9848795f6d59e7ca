//! The sale itself: buyers come, the server is killed and started again, until it is over.
//!
//! It is over when every unit is confirmed, or when everybody who never gives up has what it
//! wanted, whichever is first; both are known from answers alone. A limit ends what would never
//! end, and is then seen in the report, because too few were sold.

use super::DemoArgs;
use super::buyer;
use super::cast::willing;
use super::ground::Ground;
use super::server::Server;
use super::stage::Stage;
use super::view::View;
use crate::client::outside::{self, Crew};
use crate::load::book::{Book, Ending, Entry};
use crate::load::tally::Tally;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// What the buyers and the live view share.
#[derive(Debug)]
pub(super) struct Sale {
    pub(super) opened: Instant,
    book: Mutex<Book>,
    /// Units of confirmed holds.
    pub(super) sold: AtomicU64,
    /// Units in holds that have not ended, as far as answers tell.
    pub(super) held: AtomicI64,
    pub(super) refused: AtomicU64,
    /// Willing buyers who have what they wanted.
    served: AtomicU64,
    pub(super) kills: AtomicU32,
    over: watch::Sender<bool>,
}

impl Sale {
    fn open() -> Self {
        Self {
            opened: outside::now(),
            book: Mutex::default(),
            sold: AtomicU64::new(0),
            held: AtomicI64::new(0),
            refused: AtomicU64::new(0),
            served: AtomicU64::new(0),
            kills: AtomicU32::new(0),
            over: watch::Sender::new(false),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    /// Waits, but not beyond the end of the sale.
    pub(super) async fn linger(&self, time: Duration) {
        let mut over = self.over.subscribe();
        let _ = outside::within(time, over.wait_for(|over| *over)).await;
    }

    /// A hold was given; its place in the book.
    pub(super) fn granted(&self, entry: Entry) -> usize {
        self.held.fetch_add(1, Ordering::Relaxed);
        let mut book = self.book.lock();
        book.entries.push(entry);
        book.entries.len() - 1
    }

    /// A hold ended, by an answer or by its deadline.
    pub(super) fn ended(&self, at: usize, ending: Ending) {
        self.held.fetch_sub(1, Ordering::Relaxed);
        self.book.lock().entries[at].ending = ending;
        if ending == Ending::Confirmed {
            self.served.fetch_add(1, Ordering::Relaxed);
            self.sold.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// From now on a hold's units may be somebody else's.
    pub(super) fn surely_until(&self, at: usize, until: Instant) {
        self.book.lock().entries[at].until = Some(until);
    }

    pub(super) fn twofold(&self) {
        self.book.lock().twofold += 1;
    }

    pub(super) fn undecided(&self) {
        self.book.lock().undecided += 1;
    }

    pub(super) fn surprise(&self, text: String) {
        self.book.lock().surprises.push(text);
    }
}

/// The sale when it is over.
#[derive(Debug)]
pub(super) struct Sold {
    pub(super) book: Book,
    pub(super) tally: Tally,
    pub(super) time: Duration,
    pub(super) refused: u64,
    pub(super) kills: u32,
    /// Longest time from a kill until the server served again.
    pub(super) outage: Duration,
}

/// Holds the sale; gives the running server back.
///
/// # Errors
/// The server ended by itself, or did not come up again.
pub(super) async fn hold(
    args: &DemoArgs,
    stage: &Stage,
    (ground, mut server): (&Ground, Server),
    live: &View,
) -> anyhow::Result<(Server, Sold)> {
    let sale = Arc::new(Sale::open());
    let watching = live.watch(&sale, &stage.recorder);
    let mut crew = Crew::new();
    for number in 0..stage.parts.len() {
        crew.add(buyer::live(stage.clone(), Arc::clone(&sale), number));
    }
    let goal = u64::from(args.units);
    let willing = willing(&stage.parts);
    let limit = Duration::from_secs(u64::from(args.seconds) * 3).max(Duration::from_secs(60));
    let mut kills = args
        .faults
        .kills()
        .iter()
        .map(|share| args.window().mul_f64(*share));
    let mut next_kill = kills.next();
    let mut outage = Duration::ZERO;
    loop {
        let all = sale.sold.load(Ordering::Relaxed) >= goal
            || sale.served.load(Ordering::Relaxed) >= willing;
        if next_kill.is_some_and(|at| all || sale.opened.elapsed() >= at) {
            next_kill = kills.next();
            let killed = outside::now();
            server.kill().await?;
            sale.kills.fetch_add(1, Ordering::Relaxed);
            server = Server::start(ground).await?;
            outage = outage.max(killed.elapsed());
        } else if all || sale.opened.elapsed() >= limit {
            break;
        }
        outside::pause(LOOK).await;
    }
    let time = sale.opened.elapsed();
    let tally = stage.recorder.tally();
    sale.over.send_replace(true);
    crew.all().await;
    drop(watching);
    let sold = Sold {
        book: std::mem::take(&mut *sale.book.lock()),
        tally,
        time,
        refused: sale.refused.load(Ordering::Relaxed),
        kills: sale.kills.load(Ordering::Relaxed),
        outage,
    };
    Ok((server, sold))
}
