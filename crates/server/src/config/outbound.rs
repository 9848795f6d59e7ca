//! What the configuration says of URLs that somebody else wrote: where they may lead.

use super::keys::Value;
use evenkeel_engine::gateway::outbound::Outbound;

/// Networks and places that are allowed beside the public internet, each of them well-formed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowed(Vec<String>);

impl Allowed {
    /// Reads a list, or a text that is the one entry.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let list = match value {
            Value::Text(text) => vec![text.clone()],
            Value::List(list) => list.clone(),
            Value::Integer(_) => return Err("must be a list of strings".to_owned()),
            Value::Other(kind) => return Err(format!("must be a list of strings, not {kind}")),
        };
        Outbound::public_and(&list).map_err(|bad| format!("is wrong: {bad}"))?;
        Ok(Self(list))
    }

    /// The guard over them.
    pub(crate) fn allowed(&self) -> Outbound {
        Outbound::public_and(&self.0).expect("entries that exist have been read as some")
    }

    pub(super) fn shown(&self) -> Option<Value> {
        (!self.0.is_empty()).then(|| Value::List(self.0.clone()))
    }
}
