//! `log archive`, `log segments` and `log restore`: the log's old part, in files of its own.
//!
//! Archiving and bringing back are done by whoever writes the store: a running server, or this
//! process while it holds the directory. A lost file is put back from a copy without asking
//! anybody: the copy is compared with what the database remembers of it first.

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::{Args, value_parser};
use evenkeel_engine::archive::read_back;
use evenkeel_engine::clock::SystemIds;
use evenkeel_engine::port::{Ids as _, SegmentFiles as _, SegmentRow};
use evenkeel_engine::store::segments::{SegmentDir, file_name};
use serde_json::{Value, json};

use super::super::door::Call;
use super::super::failure::{Failure, Verdict};
use super::super::operate::{self, Common, Operation, cell, items};
use super::super::output::{self, Column};
use super::super::{start, stores};
use crate::config::Config;

#[derive(Debug, Args)]
pub(in crate::cli) struct Archive {
    /// Only entries below this position [default: all that nobody needs in the database]
    #[arg(long, value_name = "POSITION", value_parser = value_parser!(u64).range(1..))]
    before: Option<u64>,
    /// Entries of a segment [default: 1000000]
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    rows: Option<u64>,
    /// The idempotency key [default: a new one]
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Segments {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Restore {
    /// The segment's first position
    first: u64,
    /// Put this copy in the place of a lost or damaged file instead; needs --data or --config
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// The idempotency key [default: a new one]
    #[arg(long)]
    key: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl Operation for Archive {
    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self) -> Call {
        let mut body = json!({});
        for (name, value) in [("before", self.before), ("rows", self.rows)] {
            if let Some(value) = value {
                body[name] = json!(value);
            }
        }
        Call::post("/v1/segments".to_owned(), self.key.clone(), body)
    }

    fn show(&self, answer: &Value) -> String {
        let segments = items(&answer["segments"]);
        let floor = cell(&answer["floor"]);
        if answer["ok"] != Value::Bool(true) {
            return cell(&answer["detail"]);
        }
        if segments.is_empty() {
            return format!(
                "Nothing to archive: the log is in the database from {floor} on, and {} at {}\n\
                 needs what follows; smaller segments are made with --rows.",
                cell(&answer["needed_by"]),
                cell(&answer["limit"]),
            );
        }
        let told = format!("The log is in the database from {floor} on.");
        format!("{}\n{told}", table(segments))
    }

    fn verdict(&self, answer: &Value) -> Verdict {
        Verdict::of(answer["ok"] == Value::Bool(true))
    }
}

impl Operation for Segments {
    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self) -> Call {
        Call::get("/v1/segments")
    }

    fn show(&self, answer: &Value) -> String {
        let floor = cell(&answer["floor"]);
        let told = format!("The log is in the database from {floor} on.");
        match items(&answer["items"]) {
            [] => told,
            segments => format!("{}\n{told}", table(segments)),
        }
    }

    fn verdict(&self, answer: &Value) -> Verdict {
        let whole = |one: &Value| one["state"] == "whole";
        Verdict::of(items(&answer["items"]).iter().all(whole))
    }
}

impl Operation for Restore {
    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self) -> Call {
        let path = format!("/v1/segments/{}/restore", self.first);
        Call::post(path, self.key.clone(), json!({}))
    }

    fn show(&self, answer: &Value) -> String {
        match answer["ok"] == Value::Bool(true) {
            true => {
                let floor = cell(&answer["floor"]);
                format!("The log is in the database from {floor} on.")
            }
            false => cell(&answer["detail"]),
        }
    }

    fn verdict(&self, answer: &Value) -> Verdict {
        Verdict::of(answer["ok"] == Value::Bool(true))
    }
}

fn table(segments: &[Value]) -> String {
    let columns = [
        Column::Number("first"),
        Column::Number("last"),
        Column::Number("bytes"),
        Column::Word("state"),
        Column::Text("file"),
    ];
    let row = |one: &Value| {
        let members = ["first", "last", "bytes", "state"];
        let mut row = members.map(|name| cell(&one[name])).to_vec();
        row.push(match cell(&one["detail"]) {
            none if none.is_empty() => cell(&one["file"]),
            detail => detail,
        });
        row
    };
    output::table(&columns, segments.iter().map(row).collect())
}

pub(super) fn restore(command: &Restore) -> Result<Verdict, Failure> {
    let Some(copy) = &command.from else {
        return operate::run(command);
    };
    let Some(config) = command.common.place.stores()? else {
        let message = "--from needs the directory: add --data DIR or --config FILE";
        return Err(Failure::Usage(message.to_owned()));
    };
    let put = put_back(&config, command.first, copy);
    let row = start::runtime()?.block_on(operate::watched(put))?;
    let file = stores::segments_of(&config.data).join(file_name(row.name()));
    if command.common.json {
        let told = json!({"ok": true, "first": row.first, "last": row.last, "bytes": row.bytes,
            "file": file});
        return output::line(&told.to_string());
    }
    output::line(&format!(
        "Segment {} is whole again: {}",
        row.first,
        file.display()
    ))
}

/// Puts a copy in the place of a segment's file, if it is that segment.
async fn put_back(config: &Config, first: u64, copy: &Path) -> Result<SegmentRow, Failure> {
    let open = stores::to_read(config).await?;
    let known = open.engine.store().segments().await;
    open.engine.stop().await;
    let known = known.map_err(|fault| stores::told(config, &fault))?.rows;
    let row = known.into_iter().find(|row| row.first == first);
    let row = row.ok_or_else(|| Failure::Refused(format!("there is no segment {first}")))?;
    let told =
        |what: &dyn std::fmt::Display| Failure::Refused(format!("{}: {what}", copy.display()));
    // Read whole where it stands, before anything is put in another's place.
    let aside = tempdir_beside(&config.data).map_err(|error| told(&error))?;
    let result = async {
        let files = SegmentDir::new(&aside);
        write(&files, &row, copy)
            .await
            .map_err(|what| told(&what))?;
        read_back(&files, &row)
            .await
            .map_err(|fault| told(&fault))?;
        let place = SegmentDir::new(&stores::segments_of(&config.data));
        write(&place, &row, copy)
            .await
            .map_err(|what| told(&what))?;
        read_back(&place, &row).await.map_err(|fault| told(&fault))
    };
    let put = result.await;
    let cleaned = std::fs::remove_dir_all(&aside);
    put?;
    cleaned.map_err(|error| told(&error))?;
    Ok(row)
}

/// A directory of its own for a copy that is not known to be whole yet.
fn tempdir_beside(data: &Path) -> std::io::Result<PathBuf> {
    let aside = stores::segments_of(data).join(format!("copy-{}", std::process::id()));
    std::fs::create_dir_all(&aside)?;
    Ok(aside)
}

/// Copies a file into the place of a segment's.
async fn write(files: &SegmentDir, row: &SegmentRow, copy: &Path) -> Result<(), String> {
    use std::io::Read as _;
    const PART: u64 = 1 << 20;
    let mut from = File::open(copy).map_err(|error| error.to_string())?;
    let mut to = files
        .begin(row.first, SystemIds.random())
        .await
        .map_err(|fault| fault.to_string())?;
    loop {
        let mut bytes = Vec::new();
        let read = from.by_ref().take(PART).read_to_end(&mut bytes);
        if read.map_err(|error| error.to_string())? == 0 {
            break;
        }
        to.append(bytes).await.map_err(|fault| fault.to_string())?;
    }
    to.finish(row.name())
        .await
        .map_err(|fault| fault.to_string())
}
