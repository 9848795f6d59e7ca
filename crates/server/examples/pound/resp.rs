//! Redis: one call of the script after the other.

use crate::script;
use crate::side::{Answered, Names, Side};

/// One connection.
pub(crate) struct Redis {
    script: String,
    sku: String,
    names: Names,
}

impl Redis {
    pub(crate) fn new(script: &str, sku: &str) -> Self {
        Self {
            script: script.to_owned(),
            sku: sku.to_owned(),
            names: Names::new(),
        }
    }
}

impl Side for Redis {
    fn ask(&mut self, outgoing: &mut Vec<u8>) {
        let (hold, customer) = (self.names.unique(), self.names.unique());
        script::call(outgoing, &self.script, (&self.sku, hold, customer));
    }

    fn answered(&mut self, bytes: &[u8]) -> anyhow::Result<Answered> {
        Ok(match script::held(bytes) {
            None => Answered::NotYet,
            Some(true) => Answered::Wanted,
            Some(false) => Answered::Other,
        })
    }
}
