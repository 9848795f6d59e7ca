//! The way to the HTTP API that an operator command takes.
//!
//! Over the network to a running server, or, with `--data` or `--config`, to the very same API in
//! this process over stores that it opens itself. A command that writes takes `DIR/lock` first; if
//! a server has it, the command is sent to that server instead, with the token of `DIR/token`.
//!
//! A command cannot tell which way it went: the answers are the same bytes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::failure::Failure;
use super::start;
use crate::client::{self, Caller, Limits, Pool, Target};
use crate::lock;

const DEFAULT_URL: &str = "http://127.0.0.1:7411";
const DEFAULT_DATA: &str = "evenkeel-data";

/// Which server, or which stores.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Where")]
pub(super) struct Where {
    /// The server to ask [default: EVENKEEL_URL, else http://127.0.0.1:7411]
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "config"])]
    url: Option<String>,
    /// The token to show it [default: EVENKEEL_TOKEN, else that of the server's own directory]
    #[arg(long, value_name = "TOKEN", conflicts_with_all = ["data", "config"])]
    token: Option<String>,
    /// Open the stores in this directory instead of asking a server
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Open the stores that this configuration names instead of asking a server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// Reads.
    Get,
    /// Does something once.
    Post,
    /// Takes something away.
    Delete,
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) method: Method,
    /// Path and query, already percent-encoded.
    pub(super) path: String,
    /// The idempotency key of a POST; made up when nobody names one.
    pub(super) key: Option<String>,
    /// The body of a POST.
    pub(super) body: Option<Value>,
}

impl Call {
    /// A read of this path.
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::Get,
            path: path.into(),
            key: None,
            body: None,
        }
    }

    /// A change by this path and body.
    pub(super) fn post(path: impl Into<String>, key: Option<String>, body: Value) -> Self {
        Self {
            method: Method::Post,
            path: path.into(),
            key,
            body: Some(body),
        }
    }

    /// The end of what this path names.
    pub(super) fn delete(path: impl Into<String>) -> Self {
        Self {
            method: Method::Delete,
            path: path.into(),
            key: None,
            body: None,
        }
    }

    /// Whether the call needs a process that may write.
    pub(super) fn writes(&self) -> bool {
        self.method != Method::Get
    }
}

/// What came back, of whatever status.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// An open way to the API.
pub(super) enum Door {
    /// A running server.
    Remote(client::Api),
}

impl Door {
    /// Opens the way that the flags ask for; `writes` says whether a change will be sent.
    pub(super) fn open(place: &Where, writes: bool) -> Result<Self, Failure> {
        let url = place
            .url
            .clone()
            .or_else(|| start::variable("EVENKEEL_URL"));
        let url = url.unwrap_or_else(|| DEFAULT_URL.to_owned());
        let token = place
            .token
            .clone()
            .or_else(|| start::variable("EVENKEEL_TOKEN"));
        let token = token.or_else(|| token_of_own_server(Path::new(DEFAULT_DATA), &url));
        Self::remote(&url, token.as_deref())
    }

    fn remote(url: &str, token: Option<&str>) -> Result<Self, Failure> {
        let usage = |error: anyhow::Error| Failure::Usage(error.to_string());
        let target = Target::new(url).map_err(usage)?;
        let caller = token
            .map_or(Ok(Caller::nobody()), Caller::bearer)
            .map_err(usage)?;
        // Longer than any read may wait: `verify` folds the whole log.
        let limits = Limits {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(600),
        };
        Ok(Self::Remote(client::Api::new(
            &Pool::new(&target, limits, 1),
            caller,
        )))
    }

    /// Sends the request and waits for its answer.
    pub(super) async fn ask(&self, call: &Call) -> Result<Answer, Failure> {
        match self {
            Self::Remote(api) => {
                let answer = match call.method {
                    Method::Get => api.get(&call.path).await,
                    Method::Delete => api.delete(&call.path).await,
                    Method::Post => {
                        let key = call.key.clone().unwrap_or_else(made_up_key);
                        let body = call.body.as_ref().unwrap_or(&Value::Null);
                        api.post(&call.path, &key, body).await
                    }
                };
                let answer = answer.map_err(|error| Failure::Unreachable(error.to_string()))?;
                Ok(Answer {
                    status: answer.status,
                    body: answer.body,
                })
            }
        }
    }
}

/// A key that no other command has.
fn made_up_key() -> String {
    format!(
        "cli-{}-{}",
        client::outside::run_name(),
        client::outside::run_name()
    )
}

/// The token in a directory, given only to the server that said that it serves from there.
fn token_of_own_server(directory: &Path, url: &str) -> Option<String> {
    let served = lock::last_holder(directory).url?;
    let same = served.trim_end_matches('/') == url.trim_end_matches('/');
    if same { token_in(directory) } else { None }
}

/// The token that a first start has left in the data directory.
fn token_in(directory: &Path) -> Option<String> {
    let text = std::fs::read_to_string(directory.join("token")).ok()?;
    Some(text.trim().to_owned()).filter(|token| !token.is_empty())
}
