//! `verify`: whether what the engine promises holds.
//!
//! It asks for every invariant of the design and says of each `held`, `violated` with the exact
//! subjects, or `not_checkable` with where it is checked instead. It ends with exit code 1 if one
//! is violated. A running server is asked for its own report; with `--data` or `--config` the
//! stores are opened here, to be read, and only then can the answers of an acks file be compared.
//!
//! To the stores it writes nothing; a green report becomes a line of `DIR/anchors`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::Args;
use evenkeel_engine::verify::{Acks, Inputs, Report, verify};
use serde_json::Value;

use super::door::Call;
use super::failure::{Failure, Verdict, tell};
use super::operate::{self, Common, Operation};
use super::{output, start, stores};
use crate::anchors::Anchors;
use crate::config::Config;

mod picture;

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Compare the log with the answers that `load` or `demo` wrote; needs --data or --config
    #[arg(long, value_name = "FILE")]
    acks: Option<PathBuf>,
    /// Fold the whole log, from segments too, instead of going on from the newest seal
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    common: Common,
}

impl Operation for Verify {
    fn common(&self) -> &Common {
        &self.common
    }

    fn call(&self) -> Call {
        Call::get(if self.deep {
            "/v1/verify?deep=true"
        } else {
            "/v1/verify"
        })
    }

    fn show(&self, answer: &Value) -> String {
        picture::of(answer)
    }

    fn verdict(&self, answer: &Value) -> Verdict {
        Verdict::of(answer["ok"] == Value::Bool(true))
    }
}

pub(super) fn run(command: &Verify) -> Result<Verdict, Failure> {
    let Some(config) = command.common.place.stores()? else {
        if command.acks.is_some() {
            let message = "--acks needs the stores: add --data DIR or --config FILE";
            return Err(Failure::Usage(message.to_owned()));
        }
        return operate::run(command);
    };
    let acks = command.acks.as_deref().map(read).transpose()?;
    let report =
        start::runtime()?.block_on(operate::watched(local(&config, (acks, command.deep))))?;
    let answer = serde_json::to_value(&report).expect("a report is plain JSON");
    if command.common.json {
        let text = serde_json::to_string(&report).expect("a report is plain JSON");
        output::line(&text)?;
    } else {
        output::line(&command.show(&answer))?;
    }
    Ok(command.verdict(&answer))
}

fn read(path: &Path) -> Result<Acks, Failure> {
    let file = File::open(path);
    let file = file.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
    Ok(Acks::read(BufReader::new(file)))
}

async fn local(config: &Config, (acks, deep): (Option<Acks>, bool)) -> Result<Report, Failure> {
    let anchors = Anchors::of(&config.data);
    let open = stores::to_read(config).await?;
    let head = open.engine.head().await;
    let head = head.map_err(|fault| stores::told(config, &fault))?;
    let views = stores::views_to_read(config, &head).await;
    // Who may only read the directory still gets the report.
    let told = |error| tell(&format!("no anchor was written: {error}"));
    anchors.follow(&head).unwrap_or_else(told);
    let inputs = Inputs {
        views: views.as_deref(),
        acks,
        deep,
        anchors: anchors.read().map_err(Failure::Refused)?,
        ..Inputs::default()
    };
    let report = verify(&**open.engine.store(), inputs).await;
    open.engine.stop().await;
    let report = report.map_err(|fault| stores::told(config, &fault))?;
    anchors.add_green(&report).unwrap_or_else(told);
    Ok(report)
}
