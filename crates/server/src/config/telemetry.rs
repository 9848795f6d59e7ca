//! What the configuration says of logs and traces.

use crate::client::Target;

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people: a line of text.
    #[default]
    Text,
    /// For machines: a JSON object a line.
    Json,
}

impl LogFormat {
    /// The word for it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    /// The format of this name.
    pub(super) fn named(text: &str) -> Result<Self, String> {
        let all = [Self::Text, Self::Json];
        let found = all.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| format!("is {text:?}, neither \"text\" nor \"json\""))
    }
}

/// Where traces are sent. It is not repeated in a mistake: a URL may have a password.
pub(super) fn collector(text: &str) -> Result<String, String> {
    if !cfg!(feature = "otel") {
        return Err("needs a build with the feature otel".to_owned());
    }
    match Target::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("must be http://HOST:PORT, without a path".to_owned()),
    }
}

/// Reads a level of logging.
pub(super) fn level(text: &str) -> Result<tracing::level_filters::LevelFilter, String> {
    let known = ["off", "error", "warn", "info", "debug", "trace"].contains(&text);
    let parsed = if known { text.parse().ok() } else { None };
    parsed.ok_or_else(|| {
        format!("is {text:?} and must be one of off, error, warn, info, debug, trace")
    })
}
