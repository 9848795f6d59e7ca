//! A ledger moved from a directory into a database server.
//!
//! The directory is at rest, which its lock makes sure of. All of it is copied; the copy can be
//! served only once the directory says that it is no store any more; and then it is verified from
//! its first row: its chain is the same, so anchors, positions and answers that clients kept stay
//! what they were. Killed on the way, neither is ever served beside the other, nor a copy in part.

use std::path::Path;
use std::sync::Arc;

use evenkeel_engine::chain::hex;
use evenkeel_engine::port::{Head, Store};
use evenkeel_engine::verify::{Inputs, verify};

use crate::anchors::Anchors;
use crate::cli::door::lock_of;
use crate::cli::failure::{Failure, Verdict};
use crate::cli::{output, start, stores};
use crate::config::{Config, Given};

pub(super) fn run(file: Option<&Path>, from: &Path, to: &str) -> Result<Verdict, Failure> {
    if !to.starts_with("postgres://") && !to.starts_with("postgresql://") {
        return Err(Failure::Usage(
            "--to must be \"postgres://USER@HOST/DATABASE\"".to_owned(),
        ));
    }
    let flags = vec![Given::flag("store.url", "--to", to)];
    let mut target = start::configured(file, None, flags)?.config;
    target.data = from.to_owned();
    let source = Config {
        data: from.to_owned(),
        ..Config::default()
    };
    // The lock would make the directory.
    if !from.is_dir() {
        let directory = from.display();
        return Err(Failure::Unreachable(format!(
            "there is no store in {directory}\nname a directory that serve was given with --data"
        )));
    }
    let _lock = lock_of(from)?;
    start::runtime()?.block_on(moved(&source, &target))
}

async fn moved(source: &Config, target: &Config) -> Result<Verdict, Failure> {
    let old = stores::to_copy(source).await?;
    let head = old.head().await;
    let head = head.map_err(|fault| stores::told(source, &fault))?;
    let place = target.database.shown().unwrap_or_default();
    let Some(new) = empty(target, &head).await? else {
        return Err(Failure::Refused(format!(
            "{place}: there is a ledger in its schema `evenkeel`, or a part of one\n\
             name an empty database, or drop that schema if nobody needs it"
        )));
    };
    let head = copied((source, &*old), (target, &*new)).await?;
    drop(new);
    output::line(&format!(
        "Copied the log to position {}, and all that stands beside it.",
        head.position
    ))?;
    let report = verified(target).await?;
    let (passed, bad) = (report.ok, report.findings().count());
    if !passed || report.hash != hex(&head.hash) {
        output::line(&format!(
            "The copy has {bad} findings: see evenkeel verify --config FILE --deep."
        ))?;
        return Ok(Verdict::False);
    }
    output::line("Verified from the first row: every invariant holds, the chain is the same.")?;
    let directory = source.data.display();
    output::line(&format!(
        "{directory} is no store any more; start nodes with store.url = {place}. Its segments, \
         token and anchors stay in use with --data {directory}."
    ))?;
    Ok(Verdict::True)
}

/// Copies everything, says in the old place where it went, and lets the new one be served.
async fn copied(
    (source, old): (&Config, &dyn Store),
    (target, new): (&Config, &dyn Store),
) -> Result<Head, Failure> {
    let ids = evenkeel_engine::clock::SystemIds;
    let filled = evenkeel_engine::moving::fill(old, new, &ids).await;
    let filled = filled.map_err(|fault| stores::told(target, &fault))?;
    let place = target.database.shown().unwrap_or_default();
    note(&source.data, &place)
        .map_err(|error| Failure::Unreachable(format!("{}: {error}", source.data.display())))?;
    let head = filled.finish(new, &ids).await;
    head.map_err(|fault| stores::told(target, &fault))
}

/// Says in a directory where its ledger went, on disk.
fn note(directory: &Path, place: &str) -> std::io::Result<()> {
    let path = directory.join(stores::MOVED);
    std::fs::write(&path, format!("{place}\n"))?;
    std::fs::File::open(&path)?.sync_all()?;
    std::fs::File::open(directory)?.sync_all()
}

async fn verified(target: &Config) -> Result<evenkeel_engine::verify::Report, Failure> {
    let store = stores::to_copy(target).await?;
    let anchors = Anchors::of(&target.data);
    let inputs = Inputs {
        deep: true,
        anchors: anchors.read().map_err(Failure::Refused)?,
        ..Inputs::default()
    };
    let report = verify(&*store, inputs).await;
    report.map_err(|fault| stores::told(target, &fault))
}

#[cfg(feature = "postgres")]
async fn empty(target: &Config, head: &Head) -> Result<Option<Arc<dyn Store>>, Failure> {
    crate::cli::database::empty(target, head).await
}

#[cfg(not(feature = "postgres"))]
async fn empty(_target: &Config, _head: &Head) -> Result<Option<Arc<dyn Store>>, Failure> {
    unreachable!("without the feature no such URL is accepted")
}
