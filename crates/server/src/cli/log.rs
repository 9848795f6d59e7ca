//! `log`: the record of everything that happened, read from its end, at one place, or whole.
//!
//! `tail` and `show` are for people; `export` writes one JSON line an entry, as the server answers
//! them, so that another program can check the chain of hashes for itself.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, value_parser};
use serde_json::Value;

use super::door::{Call, Door};
use super::failure::{Failure, Verdict, tell};
use super::operate::{Common, cell, good};
use super::output::{self, Column};
use super::start;
use crate::client::outside;

/// Entries that are asked for at once.
const PAGE: u64 = 200;
/// How often `tail --follow` looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the last entries, and with --follow those that come
    #[command(after_help = "Example: evenkeel log tail --lines 20 --follow")]
    Tail {
        /// How many entries
        #[arg(long, short = 'n', default_value_t = 10)]
        #[arg(value_parser = value_parser!(u64).range(..=200))]
        lines: u64,
        /// Go on until interrupted
        #[arg(long, short)]
        follow: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Print one entry whole; exit code 1 if there is none at this position
    #[command(after_help = "Example: evenkeel log show 812")]
    Show {
        /// Its position
        position: u64,
        #[command(flatten)]
        common: Common,
    },
    /// Write every entry as a line of JSON
    #[command(after_help = "Example: evenkeel log export --from 1 --out log.jsonl")]
    Export {
        /// The first position
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// The file to write [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
}

pub(super) fn run(command: &Command) -> Result<Verdict, Failure> {
    start::runtime()?.block_on(async {
        let common = match command {
            Command::Tail { common, .. }
            | Command::Show { common, .. }
            | Command::Export { common, .. } => common,
        };
        let door = Door::open(&common.place, &Call::get("/v1/log")).await?;
        let reader = Reader {
            door,
            json: common.json,
        };
        let read = match command {
            Command::Tail { lines, follow, .. } => tail(&reader, *lines, *follow).await,
            Command::Show { position, .. } => show(&reader, *position).await,
            Command::Export { from, out, .. } => export(&reader, *from, out.as_ref()).await,
        };
        reader.door.close().await;
        read
    })
}

/// Reads the log page by page.
struct Reader {
    door: Door,
    json: bool,
}

/// A page of the log: its entries, and the head's position when it was read.
struct Page {
    items: Vec<Value>,
    head: u64,
}

impl Reader {
    async fn page(&self, from: u64, limit: u64) -> Result<Page, Failure> {
        let call = Call::get(format!("/v1/log?from={from}&limit={limit}"));
        let mut answer = good(self.door.ask(&call).await?, self.json)?;
        let items = answer["items"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        // The position is what follows the last colon of the head's token.
        let head = answer["head"]
            .as_str()
            .and_then(|token| token.rsplit(':').next());
        let head = head.and_then(|text| text.parse().ok()).unwrap_or_default();
        Ok(Page { items, head })
    }
}

fn position(entry: &Value) -> u64 {
    entry["position"].as_u64().unwrap_or_default()
}

async fn tail(reader: &Reader, lines: u64, follow: bool) -> Result<Verdict, Failure> {
    let head = reader.page(1, 1).await?.head;
    let mut from = (head + 1).saturating_sub(lines).max(1);
    let mut page = reader.page(from, PAGE).await?;
    loop {
        if !page.items.is_empty() {
            from = page.items.iter().map(position).max().unwrap_or(from) + 1;
            print(reader, &page.items)?;
        }
        if !follow {
            return Ok(Verdict::True);
        }
        if page.items.is_empty() {
            outside::pause(LOOK_AGAIN).await;
        }
        page = reader.page(from, PAGE).await?;
    }
}

fn print(reader: &Reader, items: &[Value]) -> Result<Verdict, Failure> {
    if reader.json {
        let lines: Vec<String> = items.iter().map(ToString::to_string).collect();
        return output::line(&lines.join("\n"));
    }
    let columns = [
        Column::Number("position"),
        Column::Text("at"),
        Column::Text("what"),
        Column::Text("stream"),
        Column::Text("moves"),
    ];
    output::line(&output::table(&columns, items.iter().map(row).collect()))
}

/// An entry as one row: each event and each move on a line of its cell.
fn row(entry: &Value) -> Vec<String> {
    let list = |name: &str| {
        entry[name]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let join = |name: &str, member: &str| {
        let cells: Vec<String> = list(name).iter().map(|one| cell(&one[member])).collect();
        cells.join("\n")
    };
    let moves: Vec<String> = list("moves").iter().map(one_move).collect();
    vec![
        cell(&entry["position"]),
        cell(&entry["at"]),
        join("events", "type"),
        join("events", "stream"),
        moves.join("\n"),
    ]
}

fn one_move(entry: &Value) -> String {
    let text = |name: &str| cell(&entry[name]);
    format!(
        "{} {} {} at {}",
        text("operation"),
        text("quantity"),
        text("sku"),
        text("location")
    )
}

async fn show(reader: &Reader, wanted: u64) -> Result<Verdict, Failure> {
    let page = reader.page(wanted, 1).await?;
    let Some(entry) = page.items.iter().find(|entry| position(entry) == wanted) else {
        tell(&format!(
            "there is no entry at {wanted}; the head is at {}",
            page.head
        ));
        return Ok(Verdict::False);
    };
    if reader.json {
        return output::line(&entry.to_string());
    }
    let pretty = serde_json::to_string_pretty(entry);
    output::line(&pretty.expect("a value that was parsed can be written"))
}

async fn export(reader: &Reader, from: u64, out: Option<&PathBuf>) -> Result<Verdict, Failure> {
    let broken = |error: std::io::Error| Failure::Refused(format!("cannot write: {error}"));
    let mut target: Box<dyn Write> = match out {
        Some(path) => Box::new(BufWriter::new(File::create(path).map_err(broken)?)),
        None => Box::new(BufWriter::new(std::io::stdout())),
    };
    let mut from = from.max(1);
    let bar = progress(out.is_some());
    loop {
        let page = reader.page(from, PAGE).await?;
        let Some(last) = page.items.last().map(position) else {
            break;
        };
        for entry in &page.items {
            match writeln!(target, "{entry}") {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    return Ok(Verdict::True);
                }
                written => written.map_err(broken)?,
            }
        }
        bar.set_length(page.head);
        bar.set_position(last);
        from = last + 1;
    }
    target.flush().map_err(broken)?;
    bar.finish_and_clear();
    Ok(Verdict::True)
}

/// A bar on standard error while the entries go to a file, if a person is watching.
fn progress(to_file: bool) -> indicatif::ProgressBar {
    if to_file && std::io::stderr().is_terminal() {
        indicatif::ProgressBar::new(0)
    } else {
        indicatif::ProgressBar::hidden()
    }
}
