//! After the sale: until all is quiet, what the server shows, the probe buyer, `verify`.

use super::DemoArgs;
use super::ground::Ground;
use super::sale::Sold;
use super::server::program;
use super::stage::{SKU, Stage};
use crate::load::book::{Balances, Verdict};
use crate::load::probe::{Probe, Prober};
use anyhow::Context as _;
use serde_json::Value;
use std::process::Stdio;

/// What the server shows once all is quiet.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) balances: Balances,
    pub(super) verdict: Verdict,
    /// Nothing when the server came to no decision.
    pub(super) probe: Option<Probe>,
    /// Holds that ended by their deadline.
    pub(super) expired: u64,
}

/// Waits for abandoned holds to end, compares the book with what is there, and probes.
///
/// # Errors
/// The server does not answer.
pub(super) async fn settle(args: &DemoArgs, stage: &Stage, sold: &Sold) -> anyhow::Result<Settled> {
    let balances = stage.look.quiet(0).await?;
    let shown = stage.look.shown(&sold.book, balances).await?;
    let mut verdict = sold.book.judge(args.units.into(), &shown);
    if balances.held != 0 {
        verdict.note(format!(
            "{} units are still held after all has ended",
            balances.held
        ));
    }
    let expired = shown
        .holds
        .values()
        .filter(|state| state.as_deref() == Some("expired"));
    let expired = expired.count() as u64;
    let prober = Prober {
        buyers: &stage.buyers,
        sku: SKU,
        run: "demo",
        recorder: &stage.recorder,
    };
    let available = u64::try_from(balances.available).unwrap_or(0);
    let probe = prober
        .run(&mut *stage.pool.wire().await, available)
        .await
        .ok();
    Ok(Settled {
        balances,
        verdict,
        probe,
        expired,
    })
}

/// Runs `verify` on what the stopped server left, with all answers that were got.
///
/// # Errors
/// It cannot be run, or prints no JSON object.
pub(super) async fn verify(ground: &Ground) -> anyhow::Result<Value> {
    let output = program("verify")?
        .arg("--data")
        .arg(ground.data())
        .arg("--acks")
        .arg(ground.acks())
        .arg("--json")
        .stderr(Stdio::piped())
        .output()
        .await
        .context("cannot run verify")?;
    serde_json::from_slice(&output.stdout).with_context(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("verify ended with {} and no JSON: {said}", output.status)
    })
}
