//! The sale itself: buyers come, servers are killed and started again, until it is over.
//!
//! It is over when every unit is sold, or when everybody who never gives up has what it wanted,
//! whichever is first; both are known from answers alone. A limit ends what would never
//! end, and is then seen in the report, because too few were sold.

use super::DemoArgs;
use super::bank::Bank;
use super::blows::{Blow, blows};
use super::buyer;
use super::cast::willing;
use super::ground::Ground;
use super::orders::Stand;
use super::server::Server;
use super::stage::{PRICE, Stage};
use super::tab::{Bought, Tab};
use super::view::View;
use crate::client::outside::{self, Crew};
use crate::load::book::{Book, Ending, Entry};
use crate::load::tally::Tally;
use parking_lot::Mutex;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often the end is looked for.
const LOOK: Duration = Duration::from_millis(20);

/// What the buyers and the live view share.
#[derive(Debug)]
pub(super) struct Sale {
    pub(super) opened: Instant,
    book: Mutex<Book>,
    tab: Mutex<Tab>,
    /// Units of orders that are paid for and not called off.
    pub(super) sold: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) released: AtomicU64,
    /// Willing buyers who have what they wanted.
    served: AtomicU64,
    /// Buyers who called their order off too late.
    kept: AtomicU64,
    news: Mutex<Vec<(Duration, String)>>,
    over: watch::Sender<bool>,
}

impl Sale {
    fn open() -> Self {
        Self {
            opened: outside::now(),
            book: Mutex::default(),
            tab: Mutex::default(),
            sold: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            released: AtomicU64::new(0),
            served: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            news: Mutex::default(),
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

    /// Something was done to the servers, or they came back.
    fn happened(&self, what: impl Into<String>) {
        let news = (self.opened.elapsed(), what.into());
        self.news.lock().push(news);
    }

    /// What was done to the servers so far, and when.
    pub(super) fn news(&self) -> Vec<(Duration, String)> {
        self.news.lock().clone()
    }

    /// A hold was given; its place in the book.
    pub(super) fn granted(&self, entry: Entry) -> usize {
        let mut book = self.book.lock();
        book.entries.push(entry);
        book.entries.len() - 1
    }

    /// A hold ended, by an answer or by its deadline.
    pub(super) fn ended(&self, at: usize, ending: Ending) {
        self.book.lock().entries[at].ending = ending;
        let sold = u64::from(ending == Ending::Confirmed);
        self.sold.fetch_add(sold, Ordering::Relaxed);
    }

    /// The hold of an order is known by this id.
    pub(super) fn named(&self, at: usize, hold: &str) {
        self.book.lock().entries[at].id = hold.into();
    }

    /// An order was taken; its place on the tab.
    pub(super) fn ordered(&self, id: &str, card: &'static str) -> usize {
        let mut tab = self.tab.lock();
        tab.0.push(Bought {
            id: id.into(),
            card,
            stand: Stand::Open,
            back: 0,
        });
        tab.0.len() - 1
    }

    /// An order was decided.
    pub(super) fn decided(&self, tab: usize, stand: Stand) {
        self.tab.lock().0[tab].stand = stand;
    }

    /// The shop gives money back: an amount, or all of it.
    pub(super) fn given_back(&self, tab: usize, amount: Option<i64>) {
        self.tab.lock().0[tab].back += amount.unwrap_or(PRICE);
    }

    /// A willing buyer has what it wanted.
    pub(super) fn served(&self) {
        self.served.fetch_add(1, Ordering::Relaxed);
    }

    /// A buyer called its order off too late.
    pub(super) fn kept(&self) {
        self.kept.fetch_add(1, Ordering::Relaxed);
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
    pub(super) tab: Tab,
    pub(super) tally: Tally,
    pub(super) time: Duration,
    pub(super) refused: u64,
    /// Holds that their buyers gave back.
    pub(super) released: u64,
    /// Buyers who called their order off too late.
    pub(super) kept: u64,
    pub(super) hits: Hits,
}

/// What was done to the servers.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Hits {
    pub(super) kills: u32,
    pub(super) restarts: u32,
    pub(super) delivery_outages: u32,
    /// Longest time from a kill until the server served again.
    pub(super) outage: Duration,
}

/// What a blow hits.
pub(super) struct Servers {
    pub(super) engine: Server,
    pub(super) bank: Bank,
}

impl Servers {
    /// Strikes; what was ended serves again when this returns.
    async fn strike(
        self,
        blow: Blow,
        (ground, sale): (&Ground, &Sale),
        hits: &mut Hits,
    ) -> anyhow::Result<Self> {
        sale.happened(blow.told());
        let Self {
            mut engine,
            mut bank,
        } = self;
        match blow {
            Blow::Kill => {
                let killed = outside::now();
                engine.kill().await?;
                hits.kills += 1;
                engine = Server::start(ground).await?;
                let outage = killed.elapsed();
                sale.happened(format!("serves again after {} ms", outage.as_millis()));
                hits.outage = hits.outage.max(outage);
            }
            Blow::Restless => {
                let knobs = json!({"duplicate_rate": 0.2, "reorder_rate": 0.2});
                bank.turn(&knobs).await?;
            }
            Blow::DeliveryDown => {
                bank.turn(&json!({"down": ["delivery"]})).await?;
                hits.delivery_outages += 1;
            }
            Blow::DeliveryUp => bank.turn(&json!({"down": []})).await?,
            Blow::Restart => {
                bank.restart().await?;
                hits.restarts += 1;
            }
        }
        Ok(Self { engine, bank })
    }
}

/// Holds the sale; gives the running servers back.
///
/// # Errors
/// A server ended by itself, or did not come up again.
pub(super) async fn hold(
    args: &DemoArgs,
    stage: &Stage,
    (ground, mut servers): (&Ground, Servers),
    live: &View,
) -> anyhow::Result<(Servers, Sold)> {
    let sale = Arc::new(Sale::open());
    let watching = live.watch(args, stage, &sale);
    let mut crew = Crew::new();
    for number in 0..stage.parts.len() {
        crew.add(buyer::live(stage.clone(), Arc::clone(&sale), number));
    }
    let goal = u64::from(args.units);
    let willing = willing(&stage.parts);
    let limit = Duration::from_secs(u64::from(args.seconds) * 3).max(Duration::from_secs(60));
    let mut blows = blows(args.faults, args.window()).into_iter();
    let mut next = blows.next();
    let mut hits = Hits::default();
    loop {
        let all = sale.sold.load(Ordering::Relaxed) >= goal
            || sale.served.load(Ordering::Relaxed) >= willing;
        match next {
            Some((at, blow)) if all || sale.opened.elapsed() >= at => {
                next = blows.next();
                servers = servers.strike(blow, (ground, &sale), &mut hits).await?;
            }
            _ if all || sale.opened.elapsed() >= limit => break,
            _ => outside::pause(LOOK).await,
        }
    }
    let time = sale.opened.elapsed();
    let tally = stage.recorder.tally();
    sale.over.send_replace(true);
    crew.all().await;
    drop(watching);
    let sold = Sold {
        book: std::mem::take(&mut *sale.book.lock()),
        tab: std::mem::take(&mut *sale.tab.lock()),
        tally,
        time,
        refused: sale.refused.load(Ordering::Relaxed),
        released: sale.released.load(Ordering::Relaxed),
        kept: sale.kept.load(Ordering::Relaxed),
        hits,
    };
    Ok((servers, sold))
}
