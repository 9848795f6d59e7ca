//! `log`: the record of everything that happened, read from its end, at one place, or whole.
//!
//! `tail` and `show` are for people; `export` writes one JSON line an entry, as the server answers
//! them with `proof=true`, so that another program can check the chain of hashes for itself: the
//! hash of an entry is SHA-256 over the 32 bytes of `previous_hash` and the bytes of `text`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, value_parser};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::door::{Call, Door};
use super::failure::{Failure, Verdict, tell};
use super::operate::{self, Common, cell, good};
use super::output::{self, Column};
use super::start;
use crate::client::outside;

mod archive;

/// Entries that are asked for at once.
const PAGE: u64 = 200;
/// The location that is not worth a word.
const MAIN: &str = "main";
/// How often `tail --follow` looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the last entries, and with --follow those that come
    #[command(after_help = "Example: evenkeel log tail --lines 20 --follow")]
    #[command(mut_arg("json", |json| json.help("Print each entry as a line of JSON")))]
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
    #[command(mut_arg("json", |json| json.help("Print a refusal as JSON too")))]
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
    /// Move the log's old part into files, as far as nobody needs it in the database
    #[command(after_help = "Example: evenkeel log archive --before 5000000")]
    Archive(archive::Archive),
    /// List the files of the log's old part; exit code 1 if one is lost or damaged
    #[command(after_help = "Example: evenkeel log segments")]
    Segments(archive::Segments),
    /// Bring the newest segment back into the database, or put a lost file back from a copy
    #[command(
        after_help = "Example: evenkeel log restore 1 --from backup/log.zst --data evenkeel-data"
    )]
    Restore(archive::Restore),
}

pub(super) fn run(command: &Command) -> Result<Verdict, Failure> {
    match command {
        Command::Archive(command) => operate::run(command),
        Command::Segments(command) => operate::run(command),
        Command::Restore(command) => archive::restore(command),
        Command::Tail { common, .. }
        | Command::Show { common, .. }
        | Command::Export { common, .. } => read(command, common),
    }
}

fn read(command: &Command, common: &Common) -> Result<Verdict, Failure> {
    start::runtime()?.block_on(async {
        let door = Door::open(&common.place, &Call::get("/v1/log")).await?;
        let reader = Reader {
            door,
            json: common.json,
        };
        let read = match command {
            Command::Tail { lines, follow, .. } => tail(&reader, *lines, *follow).await,
            Command::Show { position, .. } => show(&reader, *position).await,
            Command::Export { from, out, .. } => export(&reader, *from, out.as_ref()).await,
            Command::Archive(_) | Command::Segments(_) | Command::Restore(_) => Ok(Verdict::True),
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

/// A page of the log: its entries as they came, and the head's position when it was read.
struct Page {
    items: Vec<Item>,
    head: u64,
}

/// An entry: the server's own text, and its meaning.
struct Item {
    text: String,
    entry: Entry,
}

#[derive(Deserialize)]
struct Listed {
    head: String,
    items: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Entry {
    position: u64,
    at: String,
    hash: String,
    actor: String,
    cause: Cause,
    events: Vec<Event>,
    moves: Vec<Value>,
}

#[derive(Deserialize)]
struct Cause {
    kind: String,
    id: String,
}

#[derive(Deserialize)]
struct Event {
    stream: String,
    version: u64,
    #[serde(rename = "type")]
    kind: String,
    data: Box<RawValue>,
}

impl Reader {
    async fn page(&self, from: u64, limit: u64) -> Result<Page, Failure> {
        self.get(format!("/v1/log?from={from}&limit={limit}")).await
    }

    /// A page of entries with what their hashes are made of.
    async fn proved(&self, from: u64) -> Result<Page, Failure> {
        let path = format!("/v1/log?from={from}&limit={PAGE}&proof=true");
        self.get(path).await
    }

    async fn get(&self, path: String) -> Result<Page, Failure> {
        let call = Call::get(path);
        let text = good(&call, self.door.ask(&call).await?, self.json)?;
        let strange = |_| Failure::Unreachable("the answer is not a log".to_owned());
        let listed: Listed = serde_json::from_str(&text).map_err(strange)?;
        // The position is what follows the last colon of the head's token.
        let head = listed
            .head
            .rsplit(':')
            .next()
            .and_then(|text| text.parse().ok());
        let items = listed.items.iter().map(|item| {
            let entry = serde_json::from_str(item.get()).map_err(strange)?;
            Ok(Item {
                text: item.get().to_owned(),
                entry,
            })
        });
        Ok(Page {
            items: items.collect::<Result<_, Failure>>()?,
            head: head.unwrap_or_default(),
        })
    }
}

async fn tail(reader: &Reader, lines: u64, follow: bool) -> Result<Verdict, Failure> {
    let head = reader.page(1, 1).await?.head;
    let mut from = (head + 1).saturating_sub(lines).max(1);
    loop {
        let page = reader.page(from, PAGE).await?;
        if let Some(last) = page.items.last() {
            from = last.entry.position + 1;
            print(reader, &page.items)?;
        } else if follow {
            outside::pause(LOOK_AGAIN).await;
        }
        if !follow && (page.items.is_empty() || from > head) {
            return Ok(Verdict::True);
        }
    }
}

fn print(reader: &Reader, items: &[Item]) -> Result<Verdict, Failure> {
    if reader.json {
        let lines: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
        return output::line(&lines.join("\n"));
    }
    let columns = [
        Column::Number("position"),
        Column::Word("at"),
        Column::Word("what"),
        Column::Text("stream"),
        Column::Text("moves"),
    ];
    let rows = items.iter().map(|item| row(&item.entry));
    output::line(&output::table(&columns, rows.collect()))
}

/// An entry as one row: each event and each move on a line of its cell.
fn row(entry: &Entry) -> Vec<String> {
    let kinds: Vec<&str> = entry
        .events
        .iter()
        .map(|event| event.kind.as_str())
        .collect();
    let streams: Vec<&str> = entry
        .events
        .iter()
        .map(|event| event.stream.as_str())
        .collect();
    let moves: Vec<String> = entry.moves.iter().map(one_move).collect();
    // To the second: what is left of the line is for the ids, which are long.
    let at = entry.at.split('.').next().unwrap_or_default();
    vec![
        entry.position.to_string(),
        at.replace('T', " "),
        kinds.join("\n"),
        streams.join("\n"),
        moves.join("\n"),
    ]
}

fn one_move(entry: &Value) -> String {
    let text = |name: &str| cell(&entry[name]);
    format!(
        "{} {} {}{}",
        text("operation"),
        text("quantity"),
        text("sku"),
        match text("location").as_str() {
            MAIN => String::new(),
            other => format!(" at {other}"),
        }
    )
}

async fn show(reader: &Reader, wanted: u64) -> Result<Verdict, Failure> {
    let page = reader.page(wanted, 1).await?;
    let Some(item) = page.items.iter().find(|item| item.entry.position == wanted) else {
        tell(&format!(
            "there is no entry at {wanted}; the head is at {}",
            page.head
        ));
        return Ok(Verdict::False);
    };
    if reader.json {
        return output::line(&item.text);
    }
    let entry = &item.entry;
    let mut lines = vec![
        format!("position  {}", entry.position),
        format!("at        {}", entry.at),
        format!("hash      {}", entry.hash),
        format!("actor     {}", entry.actor),
        format!("cause     {} {}", entry.cause.kind, entry.cause.id),
    ];
    for Event {
        stream,
        version,
        kind,
        data,
    } in &entry.events
    {
        lines.push(format!("event     {kind}, version {version} of {stream}"));
        lines.push(format!("          {data}"));
    }
    for one in &entry.moves {
        lines.push(format!(
            "move      {}, for {}",
            one_move(one),
            cell(&one["ref"])
        ));
    }
    output::line(&lines.join("\n"))
}

async fn export(reader: &Reader, from: u64, out: Option<&PathBuf>) -> Result<Verdict, Failure> {
    let name = out.map_or("standard output".to_owned(), |path| {
        path.display().to_string()
    });
    let broken = |error: std::io::Error| Failure::Refused(format!("cannot write {name}: {error}"));
    let mut target: Box<dyn Write> = match out {
        Some(path) => Box::new(BufWriter::new(File::create(path).map_err(broken)?)),
        None => Box::new(BufWriter::new(std::io::stdout())),
    };
    let mut from = from.max(1);
    let bar = out.map_or_else(indicatif::ProgressBar::hidden, |_| output::progress());
    loop {
        let page = reader.proved(from).await?;
        let Some(last) = page.items.last() else { break };
        for item in &page.items {
            match writeln!(target, "{}", item.text) {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    return Ok(Verdict::True);
                }
                written => written.map_err(broken)?,
            }
        }
        bar.set_length(page.head);
        from = last.entry.position + 1;
        bar.set_position(from);
    }
    target.flush().map_err(broken)?;
    bar.finish_and_clear();
    Ok(Verdict::True)
}
