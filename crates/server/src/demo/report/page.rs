//! The report as a page: a line for each thing, then one for each invariant.

use super::{Hits, Monies, Report};
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
            sandbox_restarts,
            delivery_outages,
            outage_ms,
        } = &self.faults;
        let kills = match process_kills {
            0 => "never".to_owned(),
            1 => format!("once, back after {outage_ms} ms"),
            more => format!("{more} times, back after at most {outage_ms} ms"),
        };
        page.line("kill -9", kills);
        let down = format!("delivery down {delivery_outages} times");
        page.line(
            "bank",
            format!("restarted {sandbox_restarts} times, {down}"),
        );
    }
}

/// Counts with what they count, those that are most first.
fn words<T: Display>(counts: &BTreeMap<T, u64>) -> String {
    let mut counts: Vec<_> = counts.iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let words: Vec<_> = counts
        .iter()
        .map(|(what, count)| format!("{count} {what}"))
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
