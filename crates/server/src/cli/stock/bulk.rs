//! `stock import` and `stock export`: many lines, with progress, to be gone on with.
//!
//! Every line of an import has a key: its own, or one made from the file's content and the line's
//! number. So an import that broke off is started again as it was: what had taken effect is
//! replayed, nothing twice. An export that broke off says the cursor from which it goes on.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::COUNTS;
use crate::cli::door::{Call, Door};
use crate::cli::failure::{Failure, Verdict};
use crate::cli::operate::{Common, cell, encode, good, items, parsed};
use crate::cli::output::{self, Column};
use crate::cli::start;
use crate::csv;

/// Lines that are sent at once.
const CHUNK: usize = 500;
/// Refused lines that a person is shown.
const SHOWN: usize = 20;
/// SKUs that are asked for at once.
const PAGE: usize = 200;
const IMPORT: &str = "/v1/stock/import";

#[derive(Debug, Args)]
pub(in crate::cli) struct Import {
    /// CSV with the columns sku and quantity, and key, location, reference or reason if wanted; or
    /// NDJSON with these members, if its name ends in .ndjson or .jsonl
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The reference of lines without one and without a reason [default: made from the file]
    #[arg(long)]
    reference: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// The file to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Go on where an export broke off, which said this cursor; the file is added to
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// What came of an import so far.
#[derive(Default)]
struct Sum {
    applied: u64,
    replayed: u64,
    position: u64,
    /// Number of the line, the first being 1, and what it was told.
    failed: Vec<(u64, String, bool)>,
}

pub(in crate::cli) fn import(import: &Import) -> Result<Verdict, Failure> {
    let name = import.file.display();
    let wrong = |what: String| Failure::Usage(format!("{name}: {what}"));
    let bytes = std::fs::read(&import.file).map_err(|error| wrong(error.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    let mark = mark(&bytes);
    let mut lines = read(&import.file, text).map_err(wrong)?;
    let reference = import.reference.clone();
    let reference = reference.unwrap_or_else(|| format!("import-{mark}"));
    for (number, line) in (1_u64..).zip(&mut lines) {
        complete(line, &format!("import-{mark}-{number}"), &reference);
    }
    start::runtime()?.block_on(async {
        let call = Call::post(IMPORT, None, Value::Null);
        let door = Door::open(&import.common.place, &call).await?;
        let sent = send(&door, &lines, (&mark, import.common.json)).await;
        door.close().await;
        let sum = sent?;
        let json = import.common.json;
        let told = if json {
            sum.json(lines.len())
        } else {
            sum.told(lines.len())
        };
        output::line(&told)?;
        Ok(Verdict::of(sum.failed.is_empty()))
    })
}

/// What names a file by its content.
fn mark(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The lines of a file, each an object.
fn read(file: &Path, text: &str) -> Result<Vec<Map<String, Value>>, String> {
    let ending = file.extension().and_then(|ending| ending.to_str());
    if matches!(ending, Some("ndjson" | "jsonl")) {
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty());
        let object = |(at, line): (usize, &str)| {
            let object = serde_json::from_str(line);
            object.map_err(|_| format!("line {} is no JSON object", at + 1))
        };
        return lines.map(object).collect();
    }
    let table = csv::read(text).map_err(|csv::Broken(at)| match at {
        Some(record) => format!("record {} does not fit the line of names", record + 1),
        None => "it does not begin with a line of names, each once".to_owned(),
    })?;
    let object = |record: Vec<String>| {
        let named = table.columns.iter().cloned().zip(record);
        let there = named.filter(|(_, value)| !value.is_empty());
        let typed = there.map(|(name, value)| match value.parse::<i64>() {
            Ok(number) if name == "quantity" => (name, json!(number)),
            _ => (name, json!(value)),
        });
        typed.collect()
    };
    Ok(table.records.into_iter().map(object).collect())
}

/// Gives a line what it leaves out.
fn complete(line: &mut Map<String, Value>, key: &str, reference: &str) {
    line.entry("key").or_insert_with(|| json!(key));
    if !line.contains_key("reference") && !line.contains_key("reason") {
        line.insert("reference".to_owned(), json!(reference));
    }
}

async fn send(
    door: &Door,
    lines: &[Map<String, Value>],
    (mark, json): (&str, bool),
) -> Result<Sum, Failure> {
    let mut sum = Sum::default();
    let bar = output::progress();
    bar.set_length(lines.len() as u64);
    for (number, chunk) in lines.chunks(CHUNK).enumerate() {
        let first = (number * CHUNK) as u64 + 1;
        let key = format!("import-{mark}-from-{first}");
        let call = Call::post(IMPORT, Some(key), json!({ "lines": chunk }));
        let told = match door.ask(&call).await {
            Ok(answer) => good(&call, answer, json),
            Err(failure) => Err(failure),
        };
        let told = told.map_err(|failure| broke_off(failure, first))?;
        sum.add(&parsed(&told)?, first);
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    Ok(sum)
}

/// A failure, with where it was and what to do then.
fn broke_off(failure: Failure, first: u64) -> Failure {
    let told = |message: String| {
        format!(
            "{message}\nthis was in the lines from {first} on; those before it are done\n\
             run the same command again: nothing takes effect twice"
        )
    };
    match failure {
        Failure::Refused(message) => Failure::Refused(told(message)),
        Failure::Usage(message) => Failure::Usage(told(message)),
        Failure::Unreachable(message) => Failure::Unreachable(told(message)),
    }
}

impl Sum {
    fn add(&mut self, answer: &Value, first: u64) {
        let number = |name: &str| answer[name].as_u64().unwrap_or_default();
        self.applied += number("applied");
        self.replayed += number("replayed");
        self.position = self.position.max(number("position"));
        for one in items(&answer["failed"]) {
            let line = one["line"].as_u64().unwrap_or_default();
            let again = one["retryable"] == true;
            self.failed.push((first + line, cell(&one["code"]), again));
        }
    }

    fn json(&self, lines: usize) -> String {
        let failed = self.failed.iter();
        let failed = failed.map(
            |(line, code, retryable)| json!({"line": line, "code": code, "retryable": retryable}),
        );
        let failed: Vec<Value> = failed.collect();
        let (applied, replayed) = (self.applied, self.replayed);
        let sum = json!({"lines": lines, "applied": applied, "replayed": replayed,
            "failed": failed, "position": self.position});
        sum.to_string()
    }

    fn told(&self, lines: usize) -> String {
        let (applied, replayed, failed) = (self.applied, self.replayed, self.failed.len());
        let mut told = format!(
            "{lines} lines: {applied} applied, {replayed} had been before, {failed} refused."
        );
        if failed > 0 {
            let columns = [Column::Number("line"), Column::Word("code")];
            let shown = self.failed.iter().take(SHOWN);
            let rows = shown.map(|(line, code, _)| vec![line.to_string(), code.clone()]);
            told.push('\n');
            told.push_str(&output::table(&columns, rows.collect()));
        }
        told
    }
}

pub(in crate::cli) fn export(export: &Export) -> Result<Verdict, Failure> {
    start::runtime()?.block_on(async {
        let door = Door::open(&export.common.place, &Call::get("/v1/skus")).await?;
        let written = write(&door, export).await;
        door.close().await;
        written
    })
}

async fn write(door: &Door, export: &Export) -> Result<Verdict, Failure> {
    let out = export.out.as_deref();
    let name = out.map_or("standard output".to_owned(), |it| it.display().to_string());
    let broken = |error: std::io::Error| Failure::Refused(format!("cannot write {name}: {error}"));
    let mut target = target(out, export.cursor.is_some()).map_err(broken)?;
    let mut cursor = export.cursor.clone();
    let bar = out.map_or_else(indicatif::ProgressBar::hidden, |_| output::busy());
    let mut count = 0_usize;
    let json = export.common.json;
    if !json && cursor.is_none() {
        let names = ["sku", "location"].into_iter().chain(COUNTS);
        writeln!(target, "{}", csv::line(names)).map_err(broken)?;
    }
    loop {
        let after = cursor
            .as_deref()
            .map(|cursor| format!("&cursor={}", encode(cursor)));
        let path = format!("/v1/skus?limit={PAGE}{}", after.unwrap_or_default());
        let page = page(door, &Call::get(path), json).await;
        let page = page.map_err(|failure| go_on(failure, cursor.as_deref()))?;
        for line in items(&page["items"])
            .iter()
            .flat_map(|sku| lines(sku, json))
        {
            match writeln!(target, "{line}") {
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    return Ok(Verdict::True);
                }
                written => written.map_err(broken)?,
            }
        }
        // What is on its way to the file is there before the cursor behind it is told.
        target.flush().map_err(broken)?;
        count += items(&page["items"]).len();
        bar.set_message(format!("{count} SKUs"));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    bar.finish_and_clear();
    Ok(Verdict::True)
}

fn target(out: Option<&Path>, goes_on: bool) -> std::io::Result<Box<dyn Write>> {
    Ok(match out {
        None => Box::new(BufWriter::new(std::io::stdout())),
        Some(path) if goes_on => {
            Box::new(BufWriter::new(OpenOptions::new().append(true).open(path)?))
        }
        Some(path) => Box::new(BufWriter::new(File::create(path)?)),
    })
}

async fn page(door: &Door, call: &Call, json: bool) -> Result<Value, Failure> {
    parsed(&good(call, door.ask(call).await?, json)?)
}

fn go_on(failure: Failure, cursor: Option<&str>) -> Failure {
    let Some(cursor) = cursor else {
        return failure;
    };
    let told = |message: String| format!("{message}\ngo on with --cursor {cursor}");
    match failure {
        Failure::Refused(message) => Failure::Refused(told(message)),
        Failure::Usage(message) => Failure::Usage(told(message)),
        Failure::Unreachable(message) => Failure::Unreachable(told(message)),
    }
}

/// A SKU's locations, one line each.
fn lines(sku: &Value, json: bool) -> Vec<String> {
    let line = |place: &Value| {
        if json {
            let mut all = Map::new();
            all.insert("sku".to_owned(), sku["sku"].clone());
            all.extend(place.as_object().cloned().unwrap_or_default());
            return Value::Object(all).to_string();
        }
        let mut values = vec![cell(&sku["sku"]), cell(&place["location"])];
        values.extend(COUNTS.map(|count| cell(&place[count])));
        csv::line(values.iter().map(String::as_str))
    };
    items(&sku["stock"]).iter().map(line).collect()
}

#[cfg(test)]
mod tests;
