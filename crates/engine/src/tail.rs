//! The log's tail: tells the gate what other nodes committed.
//!
//! It looks at the head every few tens of milliseconds and, where the gate is behind, reads the
//! rows in between and hands their moves and deadlines on. Names come first: a gate may refuse only
//! whom it certainly does not know at its position. It decides nothing; a row that it cannot
//! read stops it, so that the gate falls silent instead of guessing.

use crate::chain::Entry;
use crate::port::{Clock, Fault, Map, News, Place, StockGate, Store};
use crate::token::Tokens;
use crate::worker::{Round, Work};
use async_trait::async_trait;
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::hold::{Hold, State};
use evenkeel_rules::stock::Account;
use std::sync::Arc;

/// Most rows read in one round.
const ROWS_MAX: usize = 2_000;

/// The loop.
pub struct Tail {
    /// What to read.
    pub store: Arc<dyn Store>,
    /// Who is told of stock.
    pub gate: Arc<dyn StockGate>,
    /// Who is told of tokens.
    pub tokens: Arc<Tokens>,
    /// When it was read.
    pub clock: Arc<dyn Clock>,
}

#[async_trait]
impl Work for Tail {
    fn name(&self) -> &'static str {
        "tail"
    }

    async fn run_once(&mut self) -> Result<Round, Fault> {
        let mono = self.clock.mono();
        let head = self.store.head().await?;
        self.store.hear_names(&head).await?;
        let head = head.position;
        let stands = self.gate.position();
        if stands >= head {
            self.gate.seen(head, mono);
            return Ok(Round::default());
        }
        let rows = self.store.log(stands + 1, ROWS_MAX).await?.rows;
        let mut news = News {
            after: stands,
            position: stands,
            mono,
            ..News::default()
        };
        for row in &rows {
            let entry = Entry::read(&row.text).map_err(Fault::Corrupt)?;
            note(&entry, &mut news).map_err(Fault::Corrupt)?;
            let of_token =
                |stream: &str| matches!(Aggregate::split(stream), Some((Aggregate::Token, _)));
            if entry.events.iter().any(|event| of_token(&event.stream)) {
                self.tokens.forget();
            }
        }
        self.gate.absorb(&news);
        self.gate.seen(head, mono);
        let behind = head.saturating_sub(news.position);
        Ok(Round {
            done: rows.len(),
            more: behind > 0 && !rows.is_empty(),
            behind,
        })
    }
}

/// Adds what one row says to the news.
///
/// # Errors
/// What is wrong with the row, in words.
pub fn note(entry: &Entry, news: &mut News) -> Result<(), String> {
    news.position = entry.position;
    news.time = entry.at;
    let mut deltas: Map<Place, i64> = Map::default();
    for moved in &entry.moves {
        let (from, to) = moved.operation.accounts();
        let place = (moved.sku.clone(), moved.location.clone());
        let units = moved.quantity.signed();
        let delta = i64::from(to == Account::Available) - i64::from(from == Account::Available);
        *deltas.entry(place).or_default() += delta * units;
    }
    news.deltas.extend(deltas);
    for event in &entry.events {
        if event.kind.aggregate() != Aggregate::Hold {
            continue;
        }
        let hold: Hold = event.data()?;
        let list = match event.kind {
            Kind::Held | Kind::Extended if hold.state == State::Held => &mut news.placed,
            // The deadline of a hold for an order never counted, or counts no more.
            Kind::Held => continue,
            Kind::Confirmed | Kind::Released if hold.order.is_some() => continue,
            _ => &mut news.ended,
        };
        for line in hold.lines {
            list.push(((line.sku, line.location), hold.deadline));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
