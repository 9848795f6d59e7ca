//! The report as a page: a line for each thing, then one for each invariant.

use super::{Hits, Monies, Report};
use crate::columns::wrapped;
use crate::load::probe::Probe;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::io::{IsTerminal as _, stdout};

impl Report {
    pub(super) fn page(&self) -> String {
        let mut page = Page::default();
        self.counts(&mut page);
        self.speed(&mut page);
        for note in &self.notes {
            page.line("", note);
        }
        let paint = Paint::of_terminal();
        let checks = self.verify["checks"].as_array();
        let checks = paint.checks(checks.map(Vec::as_slice).unwrap_or_default());
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
        let next: String = self.next.iter().map(|it| format!("  {it}\n")).collect();
        format!("{}\n{checks}\n{end}\n\ntry next\n{next}", page.0)
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
        page.line("orders", words(&self.orders));
        let Monies {
            captured,
            refunded,
            owed,
        } = &self.money;
        let back = format!("{refunded} refunded of {} orders", self.refunded);
        page.line("money", format!("{captured} captured, {back}, {owed} owed"));
        page.line("cards", words(&self.cards));
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
        let (p50, p99) = (self.p50_ms, self.p99_ms);
        page.line(
            "answers",
            format!("{requests} in {seconds:.1} s: {rate:.0} a second; p50 {p50} ms, p99 {p99} ms"),
        );
        let Hits {
            process_kills,
            sandbox_restarts,
            delivery_outages,
            outage_ms,
        } = &self.faults;
        let kills = match process_kills {
            0 => "never".to_owned(),
            1 => format!("once, back after {outage_ms} ms"),
            more => format!("{more} times, back after at most {outage_ms} ms"),
        };
        let down = format!("delivery down {delivery_outages} times");
        let bank = format!("bank restarted {sandbox_restarts} times");
        page.line("faults", format!("killed with -9 {kills}; {bank}, {down}"));
    }
}

/// A space at which no line is broken.
const TOGETHER: char = '\u{a0}';

/// Counts with what they count, those that are most first.
fn words<T: Display>(counts: &BTreeMap<T, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let words: Vec<_> = counts
        .iter()
        .map(|(what, count)| format!("{count}{TOGETHER}{what}"))
        .collect();
    if words.is_empty() {
        return "none".to_owned();
    }
    words.join(", ")
}

/// Lines of a name and a text.
#[derive(Debug, Default)]
struct Page(String);

impl Page {
    fn line(&mut self, name: &str, text: impl Display) {
        for line in wrapped(&format!("{name:<8} "), 9, &text.to_string()) {
            let _ = writeln!(self.0, "{}", line.replace(TOGETHER, " "));
        }
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

    /// The invariants: those that hold in a line, those that do not with what is wrong.
    fn checks(self, checks: &[Value]) -> String {
        let text = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
        let of = |result: &str| {
            let fits = |check: &&Value| check["result"] == result;
            checks.iter().filter(fits).collect::<Vec<_>>()
        };
        let ids = |checks: &[&Value]| {
            let ids: Vec<String> = checks.iter().map(|check| text(check, "id")).collect();
            ids.join(" ")
        };
        let (held, elsewhere) = (of("held"), of("not_checkable"));
        let mut page = Page::default();
        let count = format!("{} of {} invariants", held.len(), checks.len());
        page.line(
            "verify",
            format!("{} {count}: {}", self.good("held"), ids(&held)),
        );
        for check in of("violated") {
            let (id, name) = (text(check, "id"), text(check, "name"));
            page.line("", format!("{} {id} {name}", self.bad("violated")));
            for finding in check["findings"].as_array().into_iter().flatten() {
                let detail = finding["detail"].as_str();
                let detail = detail.map_or_else(|| finding.to_string(), Into::into);
                page.line("", detail);
            }
        }
        if !elsewhere.is_empty() {
            page.line(
                "",
                format!("not here: {}; `verify` says where", ids(&elsewhere)),
            );
        }
        page.0
    }
}
