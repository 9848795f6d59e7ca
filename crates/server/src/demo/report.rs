//! What the demo came to, as one JSON object or as a page with a line for each invariant.

use super::DemoArgs;
use super::after::Settled;
use super::cast;
use super::ground::Ground;
use super::sale::Sold;
use crate::load::book::{Ending, Verdict};
use crate::load::probe::Probe;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::path::PathBuf;

/// The report of a demo.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) ok: bool,
    buyers: u32,
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
    /// Money comes with orders.
    refunded: u64,
    oversold: u64,
    lost: u64,
    double: u64,
    /// Orders by status; holds only until there are orders.
    orders: BTreeMap<String, u64>,
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
}

/// What was done to the server.
#[derive(Debug, Serialize)]
struct Hits {
    process_kills: u32,
    /// Longest time from a kill until it served again.
    outage_ms: u64,
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
            balances,
            verdict,
            probe,
            expired,
        } = settled;
        let Verdict {
            oversold,
            lost,
            double,
            mut notes,
        } = verdict;
        let units = u64::from(args.units);
        let willing = cast::willing(parts);
        let really = u64::try_from(balances.sold).unwrap_or(0);
        let expected = units.min(willing);
        if really != expected {
            notes.push(format!(
                "{really} units were sold, not min({units}, {willing})"
            ));
        }
        if !probe.is_some_and(|probe| probe.is_green()) {
            notes.push(format!(
                "the probe buyer could not buy what is left: {probe:?}"
            ));
        }
        let green = oversold == 0 && lost == 0 && double == 0 && notes.is_empty();
        let seconds = (sold.time.as_secs_f64() * 1000.0).round() / 1000.0;
        let requests = sold.tally.requests();
        let ended = |ending| {
            sold.book
                .entries
                .iter()
                .filter(move |entry| entry.ending == ending)
        };
        Self {
            ok: green && verify["ok"] == true,
            buyers: args.buyers,
            willing,
            units,
            sold: really,
            unsold: units.saturating_sub(really),
            refused: sold.refused,
            expired,
            released: ended(Ending::Released).count() as u64,
            refunded: 0,
            oversold,
            lost,
            double,
            orders: BTreeMap::new(),
            requests,
            requests_per_second: rate(requests, seconds),
            p50_ms: sold.tally.latency.quantile_ms(0.5),
            p99_ms: sold.tally.latency.quantile_ms(0.99),
            replayed: sold.tally.replays,
            faults: Hits {
                process_kills: sold.kills,
                outage_ms: u64::try_from(sold.outage.as_millis()).unwrap_or(u64::MAX),
            },
            seconds,
            acks: args.acks.clone(),
            probe,
            notes,
            verify,
        }
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

    fn page(&self) -> String {
        let mut page = Page::default();
        self.counts(&mut page);
        self.speed(&mut page);
        for note in &self.notes {
            page.line("", note);
        }
        let paint = Paint::of_terminal();
        let checks = self.verify["checks"].as_array().into_iter().flatten();
        let checks: String = checks.map(|check| paint.check(check)).collect();
        let Self {
            sold,
            units,
            willing,
            ..
        } = self;
        let end = if self.ok {
            paint.good("ok")
        } else {
            paint.bad("NOT OK")
        };
        let goal = units.min(willing);
        let end = format!("{end}: sold {sold}, min({units} units, {willing} willing) = {goal}");
        format!("{}\n{checks}\n{end}\n", page.0)
    }

    fn counts(&self, page: &mut Page) {
        let Self {
            buyers,
            willing,
            units,
            sold,
            unsold,
            refused,
            expired,
            released,
            ..
        } = self;
        page.line(
            "sale",
            format!("{buyers} buyers, {willing} of them willing, {units} units"),
        );
        page.line(
            "sold",
            format!("{sold}, unsold {unsold}, oversold {}", self.oversold),
        );
        let ended = format!("{expired} expired, {released} released");
        page.line("holds", format!("{ended}, {refused} times sold out"));
        let Self {
            replayed,
            lost,
            double,
            ..
        } = self;
        page.line(
            "keys",
            format!("{replayed} replays, {lost} lost, {double} double"),
        );
        let left = match &self.probe {
            Some(Probe { available: 0, .. }) => "nothing was left to buy".to_owned(),
            Some(Probe { asked, bought, .. }) => format!("{bought} of {asked} left were bought"),
            None => "the server came to no decision".to_owned(),
        };
        page.line("probe", left);
    }

    fn speed(&self, page: &mut Page) {
        let Self {
            requests,
            seconds,
            requests_per_second: rate,
            ..
        } = self;
        page.line(
            "answers",
            format!("{requests} in {seconds:.1} s: {rate:.0} a second"),
        );
        page.line(
            "latency",
            format!("p50 {} ms, p99 {} ms", self.p50_ms, self.p99_ms),
        );
        let Hits {
            process_kills,
            outage_ms,
        } = &self.faults;
        page.line(
            "kill -9",
            format!("{process_kills} times, back after at most {outage_ms} ms"),
        );
    }
}

/// Lines of a name and a text.
#[derive(Debug, Default)]
struct Page(String);

impl Page {
    fn line(&mut self, name: &str, text: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{name:<8} {text}");
    }
}

/// Colours, where they are seen.
#[derive(Debug, Clone, Copy)]
enum Paint {
    Colours,
    Plain,
}

impl Paint {
    fn of_terminal() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        if wanted && stdout().is_terminal() {
            Self::Colours
        } else {
            Self::Plain
        }
    }

    fn good(self, text: &str) -> String {
        self.with("32", text)
    }

    fn bad(self, text: &str) -> String {
        self.with("31;1", text)
    }

    fn with(self, colour: &str, text: &str) -> String {
        match self {
            Self::Colours => format!("\x1b[{colour}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }

    /// One invariant's line, and its findings behind it.
    fn check(self, check: &Value) -> String {
        let text = |name: &str| check[name].as_str().unwrap_or_default();
        let result = format!("{:<13}", text("result").replace('_', " "));
        let result = match text("result") {
            "held" => self.good(&result),
            "violated" => self.bad(&result),
            _ => result,
        };
        let (id, name, checked) = (text("id"), text("name"), &check["checked"]);
        let detail = match check["where"].as_str() {
            Some(elsewhere) => elsewhere.to_owned(),
            None => format!("{checked} checked"),
        };
        let mut lines = cut(&format!("{id:<4} {name:<32} {result} {detail}")) + "\n";
        for finding in check["findings"].as_array().into_iter().flatten() {
            let detail = finding["detail"]
                .as_str()
                .map_or_else(|| finding.to_string(), Into::into);
            lines += &(cut(&format!("     {detail}")) + "\n");
        }
        lines
    }
}

/// At most a hundred columns, and some for colours.
fn cut(line: &str) -> String {
    const WIDTH: usize = 100;
    if line.chars().count() <= WIDTH + 12 {
        return line.to_owned();
    }
    line.chars().take(WIDTH - 1).chain(['…']).collect()
}
