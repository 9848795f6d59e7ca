//! The generator's command line.

use crate::http::{Http, Wish};
use crate::postgres::Postgres;
use crate::resp::Redis;
use crate::side::Side;
use anyhow::{Context as _, bail};
use std::sync::Arc;

const USAGE: &str = "usage: pound sold-out|hold|order|redis|postgres HOST:PORT
  [--connections 64] [--seconds 5] [--sku lamp] [--skus N] [--tokens FILE] [--script SHA]
       pound fsync DIR";

/// What was asked for.
pub(crate) struct Arguments {
    pub(crate) side: String,
    /// Where the side listens, or the directory of `fsync`.
    pub(crate) place: String,
    pub(crate) connections: u32,
    pub(crate) seconds: u32,
    /// The SKU; with more than one in `skus` it is the beginning of their names.
    sku: String,
    skus: u32,
    tokens: Vec<Arc<str>>,
    script: String,
}

impl Arguments {
    /// Reads them, and the file of tokens.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let (Some(side), Some(place)) = (words.next(), words.next()) else {
            bail!(USAGE);
        };
        let mut read = Self {
            side,
            place,
            connections: 64,
            seconds: 5,
            sku: "lamp".to_owned(),
            skus: 1,
            tokens: Vec::new(),
            script: String::new(),
        };
        while let Some(name) = words.next() {
            let value = words.next().context(USAGE)?;
            match &*name {
                "--connections" => read.connections = value.parse()?,
                "--seconds" => read.seconds = value.parse()?,
                "--sku" => read.sku = value,
                "--skus" => read.skus = value.parse()?,
                "--script" => read.script = value,
                "--tokens" => {
                    let text = std::fs::read_to_string(&value).context(value)?;
                    read.tokens = text.lines().map(Arc::from).collect();
                }
                _ => bail!(USAGE),
            }
        }
        if read.connections == 0 || read.seconds == 0 {
            bail!("at least one connection and one second");
        }
        Ok(read)
    }

    /// The partner of one connection.
    pub(crate) fn side(&self, number: u32) -> anyhow::Result<Box<dyn Side>> {
        let wish = match &*self.side {
            "sold-out" => Wish::SoldOut,
            "hold" => Wish::Hold,
            "order" => Wish::Order,
            "redis" => return Ok(Box::new(Redis::new(&self.script, &self.sku))),
            "postgres" => return Ok(Box::new(Postgres::new(&self.sku, self.skus))),
            _ => bail!(USAGE),
        };
        // Every so many-th token: no two connections share one, unless there are too few.
        let all = self
            .tokens
            .iter()
            .skip(number as usize % self.tokens.len().max(1));
        let mine: Vec<_> = all.step_by(self.connections as usize).cloned().collect();
        let mine = if mine.is_empty() {
            vec![Arc::from("none")]
        } else {
            mine
        };
        Ok(Box::new(Http::new(
            wish,
            &self.place,
            (&self.sku, self.skus),
            mine,
        )))
    }
}
