//! Scenario `drop`: many units, and buyers who do all that buyers do.
//!
//! They hold one to three units; most have the shop confirm, some give back, some send the same
//! request twice, some walk away from a hold with a short life, some keep it to the end. When
//! the stock runs out they go on asking for what comes back. Afterwards every answer of the book
//! must be what the server shows, and what is left must be for sale.
//!
//! Scenario `mixed` is the same with orders between the holds (see [`super::orders`]).

use super::acks::AcksFile;
use super::ask::{Ask, Decided, Undecided, until_decided};
use super::book::{Book, Ending, Entry};
use super::fleet::{PATIENCE, Work, share};
use super::orders::{self, Ordered};
use super::probe::Prober;
use super::report::{Check, Report};
use super::stage::Stage;
use super::tally::Recorder;
use super::{LoadArgs, Scenario, encode_hold, rounds};
use crate::client::outside::{self, Crew};
use crate::client::{Caller, Wire};
use std::sync::Arc;
use std::time::{Duration, Instant};

const UNITS: u64 = 20_000;
/// A customer who abandons more than this in ten minutes is slowed down by the server.
const ABANDONED_EACH: u32 = 4;

pub(super) async fn run(args: &LoadArgs) -> anyhow::Result<Report> {
    let units = args.units.unwrap_or(UNITS);
    let (acks, log) = args
        .acks
        .as_deref()
        .map(AcksFile::create)
        .transpose()?
        .unzip();
    let stage = Arc::new(Stage::set(args, units).await?);
    let recorder = Arc::new(Recorder::new(log));
    let orders = args.scenario == Scenario::Mixed;
    let shopper = |number| Shopper {
        orders,
        ..Shopper::new(&stage, &recorder, number)
    };
    let workers = (0..args.connections).map(shopper).collect();
    let mut outcome = rounds::run(args, &stage, &recorder, workers).await?;

    let mut book = Book::default();
    let mut crew = Crew::new();
    for shopper in outcome.workers.drain(..) {
        crew.add(shopper.close());
    }
    let mut ordered = Vec::new();
    for (part, theirs) in crew.all().await {
        book.absorb(part);
        ordered.extend(theirs);
    }
    let balances = stage.look().quiet(0).await?;
    orders::enter(&stage.look(), ordered, &mut book).await?;
    let mut verdict = book.judge(units, &stage.look().shown(&book, balances).await?);
    if balances.held != 0 {
        verdict.note(format!(
            "{} units are still held after all has ended",
            balances.held
        ));
    }
    let prober = Prober {
        buyers: &stage.buyers,
        sku: &stage.sku,
        run: &stage.run,
        recorder: &recorder,
    };
    let mut wire = Wire::new(&stage.target, stage.limits);
    let available = u64::try_from(balances.available).unwrap_or(0);
    let probe = prober.run(&mut wire, available).await.ok();
    recorder.stop_acks();
    stage.leave().await;
    if let Some(acks) = acks {
        acks.finish().await?;
    }
    let sold = book.units(Ending::Confirmed);
    let winners = book.entries.len() as u64;
    let check = Check {
        units,
        sold,
        winners,
        verdict,
        probe,
    };
    Ok(Report::new(args, &outcome, check))
}

/// What a buyer does with a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Confirm,
    Release,
    /// The same request twice, then confirm.
    Repeat,
    Abandon,
    /// Kept until the sale is over, then released.
    Keep,
}

impl Fate {
    fn draw(rng: &mut fastrand::Rng) -> Self {
        match rng.u8(0..100) {
            0..45 => Self::Confirm,
            45..65 => Self::Release,
            65..80 => Self::Repeat,
            80..90 => Self::Abandon,
            _ => Self::Keep,
        }
    }
}

/// A buyer of this connection.
#[derive(Debug)]
struct Mine {
    caller: Caller,
    abandoned: u32,
    /// Has a hold that is kept to the end: one is enough.
    keeps: bool,
}

/// The buyers of one connection, one after the other.
#[derive(Debug)]
struct Shopper {
    wire: Wire,
    stage: Arc<Stage>,
    recorder: Arc<Recorder>,
    rng: fastrand::Rng,
    mine: Vec<Mine>,
    number: u32,
    turn: u64,
    book: Book,
    /// Kept holds: place in the book, and whose they are.
    kept: Vec<(usize, usize)>,
    /// Whether every third turn is an order.
    orders: bool,
    ordered: Vec<Ordered>,
}

impl Work for Shopper {
    async fn work(mut self, until: Instant) -> Self {
        while outside::now() < until {
            for at in 0..self.mine.len() {
                self.turn += 1;
                // One without a decision is in the book as such; the next buyer goes on.
                let _ = self.shop(at).await;
                if outside::now() >= until {
                    break;
                }
            }
        }
        self
    }
}

impl Shopper {
    fn new(stage: &Arc<Stage>, recorder: &Arc<Recorder>, number: u32) -> Self {
        let mine = share(stage.buyers.len(), stage.connections, number)
            .map(|at| Mine {
                caller: stage.buyers[at].clone(),
                abandoned: 0,
                keeps: false,
            })
            .collect();
        Self {
            wire: Wire::new(&stage.target, stage.limits),
            stage: Arc::clone(stage),
            recorder: Arc::clone(recorder),
            rng: outside::chance(),
            mine,
            number,
            turn: 0,
            book: Book::default(),
            kept: Vec::new(),
            orders: false,
            ordered: Vec::new(),
        }
    }

    fn fate(&mut self, at: usize) -> Fate {
        let mine = &mut self.mine[at];
        match Fate::draw(&mut self.rng) {
            Fate::Abandon if mine.abandoned >= ABANDONED_EACH => Fate::Release,
            Fate::Keep if mine.keeps => Fate::Release,
            fate => {
                mine.abandoned += u32::from(fate == Fate::Abandon);
                mine.keeps |= fate == Fate::Keep;
                fate
            }
        }
    }

    /// One buyer wants something: places, and does with the hold what buyers do.
    async fn shop(&mut self, at: usize) -> Result<(), Undecided> {
        let quantity = self.rng.u64(1..=3);
        if self.orders && self.turn.is_multiple_of(3) {
            return self.order(at, quantity).await;
        }
        let fate = self.fate(at);
        let ttl_ms = match fate {
            Fate::Abandon => Some(self.rng.u64(1000..=2000)),
            Fate::Confirm | Fate::Release | Fate::Repeat | Fate::Keep => self.stage.ttl_ms,
        };
        let caller = self.mine[at].caller.clone();
        let place = Place {
            key: format!("{}-{}-{}", self.stage.run, self.number, self.turn),
            body: encode_hold(&caller, &self.stage.sku, quantity, ttl_ms),
            caller,
            quantity,
        };
        let sent = outside::now();
        let placed = self.place(&place).await?;
        let Some(id) = placed.id.clone() else {
            self.expect("place", &placed, placed.is_sold_out());
            return Ok(());
        };
        let until = match (fate, ttl_ms) {
            (Fate::Abandon, Some(ttl_ms)) => Some(sent + Duration::from_millis(ttl_ms)),
            (_, _) => None,
        };
        let ending = if fate == Fate::Abandon {
            Ending::Abandoned
        } else {
            Ending::Held
        };
        let granted = outside::now();
        let entry = self.book.entries.len();
        self.book.entries.push(Entry {
            id: id.clone(),
            units: quantity,
            granted,
            until,
            ending,
        });
        match fate {
            Fate::Abandon => Ok(()),
            Fate::Keep => {
                self.kept.push((entry, at));
                Ok(())
            }
            Fate::Release => self.release(entry, at).await,
            Fate::Confirm => self.confirm(entry).await,
            Fate::Repeat => {
                let again = self.repeat(&place, &id).await;
                self.confirm(entry).await.and(again)
            }
        }
    }

    /// One buyer orders and pays: units that are sold once the provider has answered.
    async fn order(&mut self, at: usize, units: u64) -> Result<(), Undecided> {
        let stage = Arc::clone(&self.stage);
        let caller = self.mine[at].caller.clone();
        let ask = Ask {
            caller: &caller,
            route: "/v1/orders",
            key: &format!("{}-{}-{}", stage.run, self.number, self.turn),
            body: &orders::encode(&caller, &stage.sku, units),
            id: None,
            lines: Some((&stage.sku, units)),
        };
        let decided = self.decide(&ask).await?;
        let refused = decided.is_sold_out() || &*decided.code == "limit.customer";
        self.expect("order", &decided, decided.id.is_some() || refused);
        self.ordered.extend(decided.id.map(|id| Ordered {
            id,
            units,
            granted: outside::now(),
        }));
        Ok(())
    }

    async fn place(&mut self, place: &Place) -> Result<Decided, Undecided> {
        let stage = Arc::clone(&self.stage);
        let ask = Ask {
            caller: &place.caller,
            route: "/v1/holds",
            key: &place.key,
            body: &place.body,
            id: None,
            lines: Some((&stage.sku, place.quantity)),
        };
        self.decide(&ask).await
    }

    async fn repeat(&mut self, place: &Place, id: &str) -> Result<(), Undecided> {
        let again = self.place(place).await?;
        match &again.id {
            Some(other) if **other != *id => self.book.twofold += 1,
            other => self.expect("repeat", &again, other.is_some() && again.replayed),
        }
        Ok(())
    }

    /// The shop was paid; the hold becomes a sale.
    async fn confirm(&mut self, entry: usize) -> Result<(), Undecided> {
        let stage = Arc::clone(&self.stage);
        let asked = ("confirm", Ending::AskedToConfirm);
        let confirmed = self.end(entry, &stage.shop, asked).await?;
        self.expect("confirm", &confirmed, confirmed.is_success());
        if confirmed.is_success() {
            self.book.entries[entry].ending = Ending::Confirmed;
        }
        Ok(())
    }

    async fn release(&mut self, entry: usize, at: usize) -> Result<(), Undecided> {
        let caller = self.mine[at].caller.clone();
        // From the moment it is sent the units may be somebody else's.
        self.book.entries[entry].until = Some(outside::now());
        let asked = ("release", Ending::AskedToRelease);
        let released = self.end(entry, &caller, asked).await?;
        self.expect("release", &released, released.is_success());
        if released.is_success() {
            self.book.entries[entry].ending = Ending::Released;
        }
        Ok(())
    }

    /// Asks for an end of a hold; `open` is how it stands if no answer comes.
    async fn end(
        &mut self,
        entry: usize,
        caller: &Caller,
        (verb, open): (&str, Ending),
    ) -> Result<Decided, Undecided> {
        let stage = Arc::clone(&self.stage);
        let sent = outside::now();
        let Entry { id, units, .. } = self.book.entries[entry].clone();
        let ask = Ask {
            caller,
            route: &format!("/v1/holds/{id}/{verb}"),
            key: &format!("{}-{}-{entry}-{verb}", stage.run, self.number),
            body: "{}",
            id: Some(&id),
            lines: Some((&stage.sku, units)),
        };
        let decided = self.decide(&ask).await;
        if decided.is_err() {
            let entry = &mut self.book.entries[entry];
            entry.ending = open;
            entry.until.get_or_insert(sent);
        }
        decided
    }

    async fn decide(&mut self, ask: &Ask<'_>) -> Result<Decided, Undecided> {
        let decided = until_decided(&mut self.wire, &self.recorder, ask, PATIENCE).await;
        self.book.undecided += u64::from(decided.is_err());
        decided
    }

    fn expect(&mut self, what: &str, decided: &Decided, holds: impl Into<Expected>) {
        if holds.into() == Expected::No {
            let Decided {
                status,
                code,
                replayed,
                ..
            } = decided;
            let again = if *replayed { ", a replay" } else { "" };
            self.book
                .surprises
                .push(format!("{what} was answered {status} {code}{again}"));
        }
    }

    /// The sale is over: what was kept is given back.
    async fn close(mut self) -> (Book, Vec<Ordered>) {
        for (entry, at) in std::mem::take(&mut self.kept) {
            let _ = self.release(entry, at).await;
        }
        (self.book, self.ordered)
    }
}

/// A request for a hold, kept to be sent again.
#[derive(Debug)]
struct Place {
    caller: Caller,
    key: String,
    body: String,
    quantity: u64,
}

/// Whether an answer is one that a correct server may give here.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Yes,
    No,
}

impl From<bool> for Expected {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}
