//! What a run came to, as one JSON object or as a page for a person.

use super::book::Verdict;
use super::probe::Probe;
use super::rounds::{Bare, Outcome, rate};
use super::{LoadArgs, Scenario};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

/// What the scenario's own check came to.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) units: u64,
    pub(super) sold: u64,
    /// Holds that were acknowledged, replays not counted again.
    pub(super) winners: u64,
    pub(super) verdict: Verdict,
    /// Nothing when the server came to no decision.
    pub(super) probe: Option<Probe>,
}

/// The report of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) ok: bool,
    scenario: &'static str,
    seconds: f64,
    connections: u32,
    requests: u64,
    requests_per_second: f64,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
    answers: BTreeMap<u16, u64>,
    codes: BTreeMap<String, u64>,
    errors: Errors,
    units: u64,
    sold: u64,
    winners: u64,
    oversold: u64,
    lost: u64,
    double: u64,
    replayed: u64,
    probe: Option<Probe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bare: Option<Bare>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Errors {
    connect: u64,
    timeout: u64,
    reset: u64,
}

impl Report {
    pub(super) fn new<W>(args: &LoadArgs, outcome: &Outcome<W>, check: Check) -> Self {
        let Check {
            units,
            sold,
            winners,
            verdict,
            probe,
        } = check;
        let tally = &outcome.tally;
        let Verdict {
            oversold,
            lost,
            double,
            notes,
        } = verdict;
        let green = oversold == 0 && lost == 0 && double == 0 && notes.is_empty();
        let scenario = match args.scenario {
            Scenario::LastUnit => "last-unit",
            Scenario::Drop => "drop",
            Scenario::Mixed => "mixed",
        };
        Self {
            ok: green && probe.is_some_and(|probe| probe.is_green()),
            scenario,
            seconds: (outcome.time.as_secs_f64() * 1000.0).round() / 1000.0,
            connections: args.connections,
            requests: tally.requests(),
            requests_per_second: rate(tally.requests(), outcome.time),
            p50_ms: tally.latency.quantile_ms(0.5),
            p90_ms: tally.latency.quantile_ms(0.9),
            p99_ms: tally.latency.quantile_ms(0.99),
            p999_ms: tally.latency.quantile_ms(0.999),
            max_ms: tally.latency.greatest_ms(),
            answers: tally.answers.clone(),
            codes: tally.codes.clone(),
            errors: Errors {
                connect: tally.broken("connect"),
                timeout: tally.broken("timeout"),
                reset: tally.broken("reset"),
            },
            units,
            sold,
            winners,
            oversold,
            lost,
            double,
            replayed: tally.replays,
            probe,
            bare: outcome.bare.clone(),
            notes,
        }
    }

    /// Writes it to standard output.
    pub(super) fn print(&self, json: impl Into<Shape>) -> anyhow::Result<()> {
        let text = match json.into() {
            Shape::Json => serde_json::to_string(self)?,
            Shape::Page => self.page(),
        };
        writeln!(std::io::stdout(), "{text}")?;
        Ok(())
    }

    fn page(&self) -> String {
        let mut page = Page::default();
        self.speed(&mut page);
        self.counts(&mut page);
        self.checks(&mut page);
        page.0 + if self.ok { "ok" } else { "NOT OK" }
    }

    fn speed(&self, page: &mut Page) {
        page.line(
            "scenario",
            format!("{}, {} connections", self.scenario, self.connections),
        );
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
        let Self {
            p50_ms,
            p90_ms,
            p99_ms,
            p999_ms,
            max_ms,
            ..
        } = self;
        let low = format!("p50 {p50_ms} ms, p90 {p90_ms}, p99 {p99_ms}");
        page.line(
            "latency",
            format!("{low}, p99.9 {p999_ms}, slowest {max_ms}"),
        );
        if let Some(bare) = &self.bare {
            let (rate, ratio) = (bare.requests_per_second, bare.ratio);
            page.line(
                "bare",
                format!("{rate:.0} a second; ours is {ratio:.3} of it"),
            );
        }
    }

    fn counts(&self, page: &mut Page) {
        for (status, count) in &self.answers {
            page.line("status", format!("{status}  {count}"));
        }
        for (code, count) in &self.codes {
            page.line("code", format!("{code}  {count}"));
        }
        let Errors {
            connect,
            timeout,
            reset,
        } = &self.errors;
        page.line(
            "broken",
            format!("connect {connect}, timeout {timeout}, reset {reset}"),
        );
    }

    fn checks(&self, page: &mut Page) {
        let Self {
            units,
            sold,
            winners,
            oversold,
            lost,
            double,
            ..
        } = self;
        page.line(
            "units",
            format!("{units} there, {sold} sold, {winners} winners"),
        );
        page.line(
            "check",
            format!("oversold {oversold}, lost {lost}, double {double}"),
        );
        page.line(
            "probe",
            match &self.probe {
                Some(Probe {
                    available,
                    bought,
                    asked,
                    ..
                }) => {
                    format!("{bought} of {asked} bought one by one, {available} were available")
                }
                None => "the server came to no decision".to_owned(),
            },
        );
        for note in &self.notes {
            page.line("", note.clone());
        }
    }
}

/// Lines of a name and a text.
#[derive(Debug, Default)]
struct Page(String);

impl Page {
    fn line(&mut self, name: &str, text: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{name:<10} {text}");
    }
}

/// How a report is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    Json,
    Page,
}

impl From<bool> for Shape {
    fn from(json: bool) -> Self {
        if json { Self::Json } else { Self::Page }
    }
}
