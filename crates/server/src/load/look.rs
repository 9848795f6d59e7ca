//! What the server shows of one SKU and its holds, to be compared with a book.

use super::book::{Balances, Book, Shown};
use crate::client::outside::{self, Crew};
use crate::client::{Answer, Api, Failure};
use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Holds looked up one by one at the end; of more than these, evenly spread ones.
const LOOKED_UP: usize = 20_000;
/// Holds that are looked up side by side.
const SHARES: usize = 32;
/// Longest wait for abandoned holds to end: their ttl, the grace of I3, and some.
const QUIET: Duration = Duration::from_secs(15);

/// One SKU, seen with a token that may see its balances.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    api: Api,
    path: String,
}

#[derive(Deserialize)]
struct ShownSku {
    #[serde(default)]
    stock: Vec<Balances>,
}

impl Look {
    pub(crate) fn new(api: &Api, sku: &str) -> Self {
        Self {
            api: api.clone(),
            path: format!("/v1/skus/{sku}"),
        }
    }

    /// The SKU's balances, all locations together.
    pub(crate) async fn balances(&self) -> anyhow::Result<Balances> {
        let shown: ShownSku = read(&self.api, &self.path).await?.value()?;
        anyhow::ensure!(!shown.stock.is_empty(), "{} shows no balances", self.path);
        Ok(shown.stock.into_iter().sum())
    }

    /// Waits until no unit is held but `held`: abandoned holds have ended. Gives up after 15 s;
    /// the balances then show what is held still.
    pub(crate) async fn quiet(&self, held: i64) -> anyhow::Result<Balances> {
        let begun = outside::now();
        loop {
            let balances = self.balances().await?;
            if balances.held == held || begun.elapsed() > QUIET {
                return Ok(balances);
            }
            outside::pause(Duration::from_millis(50)).await;
        }
    }

    /// The hold of an order, and whether the order was called off; nothing where the server does
    /// not know it.
    pub(crate) async fn order(&self, order: &str) -> anyhow::Result<Option<(Box<str>, bool)>> {
        let answer = read(&self.api, &format!("/v1/orders/{order}")).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let shown: Value = answer.value()?;
        let hold = shown["holds"][0].as_str();
        let hold = hold.context("an order without a hold")?.into();
        let status = shown["status"].as_str().unwrap_or_default();
        Ok(Some((hold, ["CANCELLED", "EXPIRED"].contains(&status))))
    }

    /// What the server shows of the book's holds, with these balances.
    pub(crate) async fn shown(&self, book: &Book, balances: Balances) -> anyhow::Result<Shown> {
        let step = book.entries.len().div_ceil(LOOKED_UP).max(1);
        let ids: Vec<Box<str>> = book
            .entries
            .iter()
            .step_by(step)
            .map(|entry| entry.id.clone())
            .collect();
        let ids: Arc<[Box<str>]> = ids.into();
        let mut crew = Crew::new();
        for share in 0..SHARES {
            let (api, ids) = (self.api.clone(), Arc::clone(&ids));
            crew.add(async move {
                let mut states = Vec::new();
                for id in ids.iter().skip(share).step_by(SHARES) {
                    states.push((id.clone(), state_of(&api, id).await?));
                }
                anyhow::Ok(states)
            });
        }
        let mut shown = Shown {
            balances,
            ..Shown::default()
        };
        for states in crew.all().await {
            shown.holds.extend(states?);
        }
        Ok(shown)
    }
}

/// Reads, and reads again for a while where no answer came: the server may be on its way back.
async fn read(api: &Api, path: &str) -> Result<Answer, Failure> {
    let begun = outside::now();
    loop {
        match api.get(path).await {
            Err(Failure::Broken { .. }) if begun.elapsed() < QUIET => {}
            Ok(answer) if answer.status == 503 && begun.elapsed() < QUIET => {}
            decided => return decided,
        }
        outside::pause(Duration::from_millis(50)).await;
    }
}

async fn state_of(api: &Api, id: &str) -> anyhow::Result<Option<String>> {
    let answer = read(api, &format!("/v1/holds/{id}")).await?;
    if answer.status == 404 {
        return Ok(None);
    }
    let hold: Value = answer.value()?;
    let state = hold["state"].as_str().context("a hold without a state")?;
    Ok(Some(state.to_owned()))
}
