//! What the configuration says of providers: where they are, and the secrets of their callbacks.
//!
//! A secret that exists has been read as one: the ring over it can be made. It is never printed, be
//! it by `config show`, by a mistake or by the program's own log.

use std::path::Path;

use super::Config;
use super::keys::Value;
use crate::http::Webhooks;
use crate::webhook::Ring;
use evenkeel_engine::gateway::outbound::Url;

/// Secrets of one provider's callbacks: the first signs, all verify.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Secrets(Vec<String>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    fn new(secrets: Vec<String>) -> Result<Self, String> {
        Ring::new(&secrets).map_err(|bad| format!("is none: {bad}"))?;
        Ok(Self(secrets))
    }

    /// The ring over them; nothing without a secret.
    pub(crate) fn ring(&self) -> Option<Ring> {
        Ring::new(&self.0).ok()
    }

    /// What is shown instead of them.
    pub(super) fn shown(&self) -> Option<Value> {
        let count = self.0.len();
        (count > 0).then(|| Value::Text(format!("hidden ({count})")))
    }
}

/// One provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Provider {
    /// Where it is; nothing when none is configured.
    pub(crate) url: Option<String>,
    /// How long a call may take, in milliseconds; then its outcome is unknown.
    pub(crate) timeout_ms: u64,
    /// The secrets of its callbacks.
    pub(crate) secrets: Secrets,
}

impl Default for Provider {
    fn default() -> Self {
        Self {
            url: None,
            timeout_ms: 2_000,
            secrets: Secrets::default(),
        }
    }
}

impl Config {
    /// The secrets under which providers sign.
    pub(crate) fn webhooks(&self) -> Webhooks {
        Webhooks {
            payment: self.payment.secrets.ring(),
            delivery: self.delivery.secrets.ring(),
        }
    }
}

/// Reads secrets: a text, or a list of texts.
pub(super) fn secrets(value: &Value) -> Result<Secrets, String> {
    match value {
        Value::Text(text) => Secrets::new(vec![text.clone()]),
        Value::List(list) => Secrets::new(list.clone()),
        Value::Integer(_) => Err("must be a string or a list of strings".to_owned()),
        Value::Other(kind) => Err(format!("must be a string or a list of strings, not {kind}")),
    }
}

/// Reads secrets from a file, one a line.
pub(super) fn secrets_in(path: &str) -> Result<Secrets, String> {
    let text = std::fs::read_to_string(Path::new(path))
        .map_err(|error| format!("is {path:?}, which cannot be read: {error}"))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    Secrets::new(lines.map(str::to_owned).collect())
        .map_err(|why| format!("is {path:?}, whose secret {why}"))
}

/// Reads a provider's address.
pub(super) fn url(text: &str) -> Result<String, String> {
    let parsed = Url::parse(text).and_then(|url| url.callable());
    parsed.map_err(|why| format!("is no URL that can be called: {why}"))?;
    Ok(text.trim_end_matches('/').to_owned())
}
