//! After the sale: until all is quiet, what the server shows, the probe buyer, `verify`.

use super::DemoArgs;
use super::bank::Bank;
use super::ground::Ground;
use super::orders::Shown;
use super::sale::Sold;
use super::server::program;
use super::stage::{SKU, Stage};
use crate::client::outside;
use crate::load::book::Verdict;
use crate::load::probe::{Probe, Prober};
use anyhow::Context as _;
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;

/// Longest wait until every order is at its end and all money where it belongs.
const QUIET: Duration = Duration::from_secs(30);

/// What the server shows once all is quiet.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) verdict: Verdict,
    /// Nothing when the server came to no decision.
    pub(super) probe: Option<Probe>,
    /// Holds that ended by their deadline.
    pub(super) expired: u64,
    pub(super) orders: Vec<Shown>,
}

/// Waits for orders and abandoned holds to end, compares what buyers were told with what is there
/// and with the bank's ledger, and probes.
///
/// # Errors
/// A server does not answer.
pub(super) async fn settle(
    args: &DemoArgs,
    (stage, bank): (&Stage, &Bank),
    sold: &Sold,
) -> anyhow::Result<Settled> {
    let (orders, notes) = quiet(stage, bank, sold).await?;
    let balances = stage.look.quiet(0).await?;
    let shown = stage.look.shown(&sold.book, balances).await?;
    let mut verdict = sold.book.judge(args.units.into(), &shown);
    for note in notes {
        verdict.note(note);
    }
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
        verdict,
        probe,
        expired,
        orders,
    })
}

/// Waits until all accounts of the orders agree; all orders, and what does not agree in the end.
async fn quiet(
    stage: &Stage,
    bank: &Bank,
    sold: &Sold,
) -> anyhow::Result<(Vec<Shown>, Vec<String>)> {
    let begun = outside::now();
    let undecided = sold.book.undecided > 0;
    loop {
        let orders = stage.orders.all().await?;
        let notes = sold.tab.judge(&orders, &bank.ledger().await?, undecided);
        if notes.is_empty() || begun.elapsed() > QUIET {
            return Ok((orders, notes));
        }
        outside::pause(Duration::from_millis(100)).await;
    }
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
