//! The providers of the demo: a sandbox in its own process, so that killing the engine leaves them.
//!
//! Its ledger is what really happened to the money; the engine's word is compared with it. It
//! writes a journal, so that one that is ended in mid-sale and started again knows what it did.

use super::ground::Ground;
use crate::client::outside;
use crate::client::{Api, Caller, Limits, Pool, Target};
use crate::sandbox::{self, Handle, Options};
use crate::webhook::Ring;
use anyhow::Context as _;
use evenkeel_engine::clock::SystemClock;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long the address may stay taken by the sandbox that was ended.
const PATIENCE: Duration = Duration::from_secs(5);

/// A sandbox that can be ended and started again.
pub(super) struct Bank {
    address: std::net::SocketAddr,
    ring: Ring,
    journal: PathBuf,
    handle: Option<Handle>,
    api: Api,
}

/// What the sandbox says of its money, by order.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Minor units that were charged less those that were given back.
    pub(super) kept: BTreeMap<Box<str>, i64>,
    /// Charges and refunds that are not through yet.
    pub(super) pending: usize,
}

#[derive(Deserialize)]
struct Told {
    charges: Vec<Movement>,
    refunds: Vec<Movement>,
}

#[derive(Deserialize)]
struct Movement {
    order: Box<str>,
    amount: super::orders::Amount,
    status: String,
}

impl Bank {
    /// Opens it.
    ///
    /// # Errors
    /// It cannot listen, or its journal cannot be written.
    pub(super) async fn open(ground: &Ground) -> anyhow::Result<Self> {
        let target = Target::new(&ground.bank_url())?;
        let pool = Pool::new(&target, Limits::default(), 1);
        let mut bank = Self {
            address: ground.bank(),
            ring: Ring::new(&[ground.secret()]).context("a secret of ours is one")?,
            journal: ground.journal(),
            handle: None,
            api: Api::new(&pool, Caller::nobody()),
        };
        bank.start().await?;
        Ok(bank)
    }

    async fn start(&mut self) -> anyhow::Result<()> {
        let begun = outside::now();
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                Err(error) if begun.elapsed() > PATIENCE => {
                    return Err(error).context("the sandbox cannot listen");
                }
                Err(_) => outside::pause(Duration::from_millis(10)).await,
            }
        };
        let options = Options {
            ring: self.ring.clone(),
            clock: Arc::new(SystemClock::new()),
            journal: Some(self.journal.clone()),
        };
        let handle = sandbox::start(listener, options).context("the sandbox has no journal")?;
        self.handle = Some(handle);
        Ok(())
    }

    /// Ends it at once, whatever it is doing, and starts it again.
    ///
    /// # Errors
    /// As for [`Bank::open`].
    pub(super) async fn restart(&mut self) -> anyhow::Result<()> {
        drop(self.handle.take());
        self.start().await
    }

    /// Turns its knobs.
    ///
    /// # Errors
    /// It does not answer, or refuses them.
    pub(super) async fn turn(&self, knobs: &Value) -> anyhow::Result<()> {
        self.api.put("/knobs", knobs).await?.value::<Value>()?;
        Ok(())
    }

    /// What really happened to the money.
    ///
    /// # Errors
    /// It does not answer.
    pub(super) async fn ledger(&self) -> anyhow::Result<Ledger> {
        let told: Told = self.api.get("/ledger").await?.value()?;
        let mut ledger = Ledger::default();
        let charges = told.charges.into_iter().map(|it| (1, it));
        let refunds = told.refunds.into_iter().map(|it| (-1, it));
        for (sign, movement) in charges.chain(refunds) {
            match movement.status.as_str() {
                "completed" => {
                    let kept = ledger.kept.entry(movement.order).or_default();
                    *kept += sign * movement.amount.amount;
                }
                "pending" => ledger.pending += 1,
                _ => {}
            }
        }
        Ok(ledger)
    }
}
