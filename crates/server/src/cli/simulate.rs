//! `simulate`: the simulator of the sim crate, run from the command line.
//!
//! It says how far it is, adds up what it met, and shows each failure with what was demanded, what
//! was found and the one line that replays it. A batch that is red, or that from a hundred seeds on
//! did not reach every fault and transition, ends with exit code 1. It opens no store and asks no
//! server; no time of this machine and no chance enters a seed.

use clap::Args;
use evenkeel_sim::{
    BatchOptions, BatchReport, Failure as Red, FaultSet, Planted, Progress, planted_list, run_batch,
};
use indicatif::ProgressStyle;
use serde_json::json;

use super::failure::{Failure, Verdict};
use super::output::{self, Column, Tone, toned};

/// Seeds that run when nobody says how many: enough for a batch that counts.
const SEEDS: u64 = 100;
/// Failures that are shown in full.
const SHOWN: usize = 3;
/// How much of one step is shown, in characters.
const STEP_SHOWN: usize = 280;

#[derive(Debug, Args)]
#[command(after_help = "Example: evenkeel simulate --seeds 1000")]
pub(super) struct Simulate {
    /// Run the seeds from 0 up to this many; 100 without it
    #[arg(long, value_name = "N", conflicts_with = "seed",
        value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    seeds: Option<u64>,
    /// Run this one seed, and show what led to a failure
    #[arg(long, value_name = "S",
        value_parser = clap::value_parser!(u64).range(..=9_007_199_254_740_991))]
    seed: Option<u64>,
    /// Let only these faults happen, separated by commas; `all` and `none` are names too
    #[arg(long, value_name = "LIST", default_value = "all")]
    faults: String,
    /// Plant a bug, and end at the first seed that catches it; `list` names them all
    #[arg(long, value_name = "NAME")]
    planted: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Simulate) -> Result<Verdict, Failure> {
    if command.planted.as_deref() == Some("list") {
        return list(command.json);
    }
    let options = command.options()?;
    let bar = output::progress();
    bar.set_length(options.seeds);
    let style = ProgressStyle::with_template("{elapsed:>4} [{bar:40}] {pos} of {len} seeds  {msg}")
        .expect("the template is well formed");
    bar.set_style(style.progress_chars("=> "));
    let report = run_batch(&options, &|progress: Progress| {
        bar.set_position(progress.done);
        if progress.failed > 0 {
            bar.set_message(format!("{} failed", progress.failed));
        }
    });
    let seconds = bar.elapsed().as_secs_f64();
    bar.finish_and_clear();
    if command.json {
        let text = serde_json::to_string(&report).expect("a report is plain JSON");
        output::line(&text)?;
    } else {
        output::line(&picture(&report, &options, seconds))?;
    }
    Ok(Verdict::of(report.ok))
}

impl Simulate {
    fn options(&self) -> Result<BatchOptions, Failure> {
        let faults = FaultSet::parse(&self.faults).map_err(|unknown| usage(&unknown))?;
        let named = self.planted.as_deref().map(|name| {
            Planted::from_name(name).ok_or_else(|| {
                let names: Vec<&str> = Planted::ALL.iter().map(|bug| bug.name()).collect();
                let known = names.join(", ");
                usage(&format!("no bug is called {name:?}; known are {known}"))
            })
        });
        let threads = std::thread::available_parallelism();
        Ok(BatchOptions {
            first_seed: self.seed.unwrap_or(0),
            seeds: self.seed.map_or(self.seeds.unwrap_or(SEEDS), |_| 1),
            faults,
            planted: named.transpose()?,
            threads: threads.map_or(1, std::num::NonZero::get),
        })
    }
}

fn usage(what: &impl ToString) -> Failure {
    Failure::Usage(what.to_string())
}

fn list(as_json: bool) -> Result<Verdict, Failure> {
    let bugs = planted_list();
    if as_json {
        return output::line(&json!({"planted": bugs}).to_string());
    }
    let rows = bugs.iter().map(|bug| {
        [bug.name, bug.invariant, bug.what]
            .map(str::to_owned)
            .into()
    });
    let columns = [
        Column::Word("bug"),
        Column::Word("caught as"),
        Column::Text("what it does"),
    ];
    output::line(&output::table(&columns, rows.collect()))
}

/// A report for people.
fn picture(report: &BatchReport, options: &BatchOptions, seconds: f64) -> String {
    let mut parts = Vec::new();
    let shown = report.failures.iter().take(SHOWN);
    parts.extend(shown.map(|red| failure(red, options.seeds == 1)));
    if let Some(more) = report.failures.get(SHOWN..).filter(|more| !more.is_empty()) {
        let seeds: Vec<String> = more.iter().map(|red| red.seed.to_string()).collect();
        let rows = vec![vec![seeds.join(" ")]];
        parts.push(output::table(
            &[Column::Text("more seeds that failed")],
            rows,
        ));
    }
    if options.seeds > 1 && options.planted.is_none() {
        parts.push(counts(report));
    }
    parts.push(verdict(report, options, seconds));
    parts.join("\n\n")
}

/// One failure: what was demanded, what was found, and how to see it again.
fn failure(red: &Red, at_length: bool) -> String {
    let row = |what: &str, text: &str| vec![what.to_owned(), text.to_owned()];
    let mut rows = vec![
        row("invariant", &red.invariant),
        row("expected", red.expected),
        row("found", &red.found),
    ];
    if at_length {
        rows.extend(red.before.iter().map(|step| {
            let mut text: String = step.chars().take(STEP_SHOWN).collect();
            if text.len() < step.len() {
                text.push_str(" ...");
            }
            row("before", &text)
        }));
    }
    let (seed, step) = (format!("seed {}", red.seed), format!("step {}", red.step));
    let mut table = vec![row(&seed, &step)];
    table.append(&mut rows);
    let columns = [Column::Word("failed"), Column::Text("")];
    let table = output::table(&columns, table);
    let head = toned("FAILED", Tone::Bad);
    let table = table.replacen("FAILED", &head, 1);
    format!("{table}\nreplay it with: {}", red.replay)
}

/// How often each fault fired, and what was never reached.
fn counts(report: &BatchReport) -> String {
    let rows = report
        .faults
        .iter()
        .map(|(name, count)| vec![(*name).to_owned(), count.to_string()]);
    let columns = [Column::Word("fault"), Column::Number("times")];
    let mut text = output::table(&columns, rows.collect());
    let transitions = report.transitions;
    text.push_str(&format!(
        "\n\n{} of {} legal transitions reached",
        transitions.reached, transitions.legal
    ));
    if !report.missing.is_empty() {
        let rows = report.missing.iter().map(|what| vec![what.clone()]);
        let table = output::table(&[Column::Text("never happened")], rows.collect());
        text.push_str(&format!("\n\n{table}"));
    }
    text
}

/// The last lines: what was run, and what came of it.
fn verdict(report: &BatchReport, options: &BatchOptions, seconds: f64) -> String {
    let BatchReport { seeds, events, .. } = report;
    let seeds = if *seeds == 1 {
        format!("Seed {}", report.first_seed)
    } else {
        format!("{seeds} seeds")
    };
    let ran = format!("{seeds}, {events} steps, {seconds:.1} s.");
    let failed = report.failures.len();
    let word = match (options.planted, failed, report.ok) {
        (Some(bug), 0, _) => toned(&format!("{} was not caught.", bug.name()), Tone::Bad),
        (Some(bug), ..) => format!("{} was caught.", bug.name()),
        (None, 0, true) => toned("Every invariant held.", Tone::Good),
        (None, 0, false) => toned("Nothing failed, but not everything happened.", Tone::Bad),
        (None, ..) => toned(&format!("{failed} failed."), Tone::Bad),
    };
    format!("{word} {ran}\ntrace {}", report.trace_hash)
}
