//! What the demo came to, as one JSON object or as a page with a line for each invariant.

use super::DemoArgs;
use super::after::Settled;
use super::cast;
use super::ground::Ground;
use super::orders::Shown;
use super::sale::{self, Sold};
use super::tab;
use crate::load::book::Verdict;
use crate::load::probe::Probe;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Write as _, stdout};
use std::path::PathBuf;

mod page;

/// The report of a demo.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) ok: bool,
    buyers: u32,
    /// Units that buyers want who never give up, or who called off too late and keep theirs.
    willing: u64,
    units: u64,
    sold: u64,
    unsold: u64,
    /// Answers that said sold out.
    refused: u64,
    /// Holds that ended by their deadline.
    expired: u64,
    /// Holds that their buyers gave back.
    released: u64,
    /// Orders of which money went back.
    refunded: u64,
    oversold: u64,
    lost: u64,
    double: u64,
    /// Orders by status.
    orders: BTreeMap<String, u64>,
    /// Orders by the card that they were to be paid with.
    cards: BTreeMap<&'static str, u64>,
    money: Monies,
    requests: u64,
    requests_per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    replayed: u64,
    faults: Hits,
    /// From the opening until the sale was over.
    seconds: f64,
    /// The file that `--acks` named.
    acks: Option<PathBuf>,
    probe: Option<Probe>,
    notes: Vec<String>,
    verify: Value,
    /// What to try next; with `--keep`, on what serves on.
    next: Vec<String>,
    /// The order that the first of them tells of.
    #[serde(skip)]
    eventful: Option<Box<str>>,
}

/// What was done to the servers.
#[derive(Debug, Serialize)]
struct Hits {
    process_kills: u32,
    sandbox_restarts: u32,
    delivery_outages: u32,
    /// Longest time from a kill until it served again.
    outage_ms: u64,
}

/// Money of all orders together.
#[derive(Debug, Serialize)]
struct Monies {
    captured: Amount,
    refunded: Amount,
    /// What is owed for units that buyers have; captured less refunded must come to it.
    owed: Amount,
}

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Amount {
    amount: i64,
    currency: &'static str,
}

impl Amount {
    const fn eur(amount: i64) -> Self {
        let currency = "EUR";
        Self { amount, currency }
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.amount < 0 { "-" } else { "" };
        let cents = self.amount.unsigned_abs();
        write!(
            out,
            "{sign}{}.{:02} {}",
            cents / 100,
            cents % 100,
            self.currency
        )
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate is shown, not counted with"
)]
fn rate(requests: u64, seconds: f64) -> f64 {
    (requests as f64 / seconds.max(0.001) * 10.0).round() / 10.0
}

impl Report {
    pub(super) fn new(
        args: &DemoArgs,
        parts: &[cast::Part],
        sold: Sold,
        settled: Settled,
        verify: Value,
    ) -> Self {
        let Settled {
            verdict,
            probe,
            expired,
            orders,
        } = settled;
        let Verdict {
            oversold,
            lost,
            double,
            mut notes,
        } = verdict;
        let eventful = sold.tab.eventful();
        let units = u64::from(args.units);
        let willing = cast::willing(parts) + sold.kept;
        let really = orders.iter().map(Shown::sold).sum();
        let money = sold.tab.money(&orders);
        notes.extend(goal_missed(really, (units, willing)));
        notes.extend(money_missed(money));
        if !probe.is_some_and(|probe| probe.is_green()) {
            notes.push(format!(
                "the probe buyer could not buy what is left: {probe:?}"
            ));
        }
        let green = oversold == 0 && lost == 0 && double == 0 && notes.is_empty();
        let seconds = (sold.time.as_secs_f64() * 1000.0).round() / 1000.0;
        let requests = sold.tally.requests();
        Self {
            ok: green && verify["ok"] == true,
            buyers: args.buyers,
            willing,
            units,
            sold: really,
            unsold: units.saturating_sub(really),
            refused: sold.refused,
            expired,
            released: sold.released,
            refunded: count(&orders, |order| order.payment.refunded.amount > 0),
            oversold,
            lost,
            double,
            orders: by_status(&orders),
            cards: sold.tab.cards(),
            money: Monies {
                captured: Amount::eur(money.captured),
                refunded: Amount::eur(money.refunded),
                owed: Amount::eur(money.owed),
            },
            requests,
            requests_per_second: rate(requests, seconds),
            p50_ms: sold.tally.latency.quantile_ms(0.5),
            p99_ms: sold.tally.latency.quantile_ms(0.99),
            replayed: sold.tally.replays,
            faults: Hits::of(sold.hits),
            seconds,
            acks: args.acks.clone(),
            probe,
            notes,
            verify,
            next: Vec::new(),
            eventful,
        }
    }

    /// Three commands that work when this is read.
    pub(super) fn suggest(&mut self, args: &DemoArgs, ground: &Ground) {
        let program = std::env::args().next().unwrap_or_default();
        let (data, at) = (ground.data(), |rest: &str| format!("{program} {rest}"));
        let order = self.eventful.as_deref().unwrap_or("lamp");
        self.next = match args.keep {
            true => vec![
                at(&format!("explain {order} --data {}", data.display())),
                at(&format!("order list --data {}", data.display())),
                at(&format!("verify --data {}", data.display())),
            ],
            false => vec![
                at("demo --keep"),
                at("demo --faults many"),
                at("simulate --seeds 100"),
            ],
        };
    }

    /// Writes it to standard output.
    pub(super) fn print(&self, args: &DemoArgs, ground: &Ground) -> anyhow::Result<()> {
        if args.json {
            writeln!(stdout(), "{}", serde_json::to_string(self)?)?;
            return Ok(());
        }
        let mut page = self.page();
        if let Some(kept) = ground.kept() {
            let _ = writeln!(page, "data and log are in {}", kept.display());
        }
        write!(stdout(), "{page}")?;
        Ok(())
    }
}

impl Hits {
    fn of(hits: sale::Hits) -> Self {
        Self {
            process_kills: hits.kills,
            sandbox_restarts: hits.restarts,
            delivery_outages: hits.delivery_outages,
            outage_ms: u64::try_from(hits.outage.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

fn goal_missed(really: u64, (units, willing): (u64, u64)) -> Option<String> {
    let missed = really != units.min(willing);
    missed.then(|| format!("{really} units were sold, not min({units}, {willing})"))
}

fn money_missed(money: tab::Money) -> Option<String> {
    let (kept, owed) = (money.captured - money.refunded, money.owed);
    (kept != owed).then(|| format!("{kept} cents were kept, {owed} are owed"))
}

fn count(orders: &[Shown], fits: impl Fn(&Shown) -> bool) -> u64 {
    orders.iter().filter(|order| fits(order)).count() as u64
}

pub(super) fn by_status(orders: &[Shown]) -> BTreeMap<String, u64> {
    let mut by_status = BTreeMap::new();
    for order in orders {
        *by_status.entry(order.status.clone()).or_default() += 1;
    }
    by_status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_shown_in_whole_units_and_cents() {
        for (amount, text) in [(0, "0.00 EUR"), (1999, "19.99 EUR"), (-5, "-0.05 EUR")] {
            assert_eq!(Amount::eur(amount).to_string(), text);
        }
    }

    #[test]
    fn a_unit_or_a_cent_that_is_missing_is_said() {
        assert_eq!(goal_missed(5, (5, 9)), None);
        let said = goal_missed(6, (5, 9));
        assert_eq!(said.as_deref(), Some("6 units were sold, not min(5, 9)"));
        let money = |refunded| tab::Money {
            captured: 10,
            refunded,
            owed: 7,
        };
        assert_eq!(money_missed(money(3)), None);
        let said = money_missed(money(2));
        assert_eq!(said.as_deref(), Some("8 cents were kept, 7 are owed"));
    }
}
