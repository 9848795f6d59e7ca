//! The way to the HTTP API that an operator command takes.
//!
//! Over the network to a running server, or, with `--data` or `--config`, to the very same API in
//! this process over stores that it opens itself. A command that writes takes `DIR/lock` first; if
//! a server has it, the command is sent to that server instead, with the token of `DIR/token`.
//!
//! A command cannot tell which way it went: the answers are the same bytes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use evenkeel_rules::ids::TokenId;
use evenkeel_rules::time::LogTime;
use evenkeel_rules::token::{Role, Token};
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::failure::Failure;
use super::operate::{good, parsed};
use super::start;
use super::stores::{self, Open};
use crate::client::{self, Caller, Limits, Pool, Target};
use crate::config::Config;
use crate::http;
use crate::lock::{self, Holder, Lock, Taken};

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

impl Where {
    /// The stores to open; nothing when a server is to be asked.
    pub(super) fn stores(&self) -> Result<Option<Config>, Failure> {
        if self.data.is_none() && self.config.is_none() {
            return Ok(None);
        }
        let (file, data) = (self.config.as_deref(), self.data.as_deref());
        Ok(Some(start::configured(file, data, Vec::new())?.config))
    }
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

    /// The end of what this path names, with a reason.
    pub(super) fn delete_with(path: impl Into<String>, body: Value) -> Self {
        Self {
            body: Some(body),
            ..Self::delete(path)
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
    /// Stores that this process opened, and the lock if it writes.
    Local(Box<Open>, Option<Lock>),
}

impl Door {
    /// Opens the way that the flags ask for; `call` says whether a change will be sent.
    pub(super) async fn open(place: &Where, call: &Call) -> Result<Self, Failure> {
        if let Some(config) = place.stores()? {
            return Self::local(&config, call).await;
        }
        let url = place
            .url
            .clone()
            .or_else(|| start::variable("EVENKEEL_URL"));
        let url = url.unwrap_or_else(|| DEFAULT_URL.to_owned());
        let token = place
            .token
            .clone()
            .or_else(|| start::variable("EVENKEEL_TOKEN"));
        let token = token.or_else(|| token_of_own_server(&url));
        Self::remote(&url, token.as_deref())
    }

    async fn local(config: &Config, call: &Call) -> Result<Self, Failure> {
        if !call.writes() {
            return Ok(Self::Local(Box::new(stores::to_read(config).await?), None));
        }
        match Lock::take_if_free(&config.data) {
            Ok(Taken::Yes(lock)) => {
                let open = stores::to_write(config, None).await?;
                Ok(Self::Local(Box::new(open), Some(lock)))
            }
            Ok(Taken::No(Holder { url: Some(url), .. })) => {
                Self::remote(&url, token_in(&config.data).as_deref())
            }
            other => Err(not_taken(&config.data, other)),
        }
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
            Self::Remote(api) => ask_remote(api, call).await,
            Self::Local(open, _lock) => Ok(Inside::new(&open.api).ask(call).await),
        }
    }

    /// Ends what was opened; what was answered is on disk already.
    pub(super) async fn close(self) {
        match self {
            Self::Remote(_) => {}
            Self::Local(open, _lock) => open.engine.stop().await,
        }
    }
}

async fn ask_remote(api: &client::Api, call: &Call) -> Result<Answer, Failure> {
    let answer = match call.method {
        Method::Get => api.get(&call.path).await,
        Method::Delete => api.delete(&call.path, call.body.as_ref()).await,
        Method::Post => {
            let key = call.key.clone().unwrap_or_else(made_up_key);
            let body = call.body.as_ref().unwrap_or(&Value::Null);
            api.post(&call.path, &key, body).await
        }
    };
    let answer = answer.map_err(|error| {
        Failure::Unreachable(format!(
            "{error}\nstart a server with evenkeel serve, name another with --url,\nor open the \
             stores with --data DIR"
        ))
    })?;
    Ok(Answer {
        status: answer.status,
        body: answer.body,
    })
}

/// The API of this process, asked as a command that may do everything.
pub(super) struct Inside<'a> {
    api: &'a Arc<http::Api>,
    door: http::Door,
}

impl<'a> Inside<'a> {
    pub(super) fn new(api: &'a Arc<http::Api>) -> Self {
        let caller = Token {
            id: TokenId::new("command").expect("a word is an id"),
            role: Role::Admin,
            customer: None,
            created_at: LogTime::default(),
            revoked_at: None,
        };
        Self {
            api,
            door: http::Door::Inside(Arc::new(caller)),
        }
    }

    /// Sends the request through the same steps that a connection's takes.
    pub(super) async fn ask(&self, call: &Call) -> Answer {
        let body = || {
            let text = call.body.as_ref().map(ToString::to_string);
            Bytes::from(text.unwrap_or_default())
        };
        let (method, body) = match call.method {
            Method::Get => (::http::Method::GET, Bytes::new()),
            Method::Delete => (::http::Method::DELETE, body()),
            Method::Post => (::http::Method::POST, body()),
        };
        let mut request = ::http::Request::builder().method(method).uri(&call.path);
        if call.method == Method::Post {
            let key = call.key.clone().unwrap_or_else(made_up_key);
            request = request.header("idempotency-key", key);
            request = request.header("content-type", "application/json");
        }
        let Ok(request) = request.body(http::Payload::Whole(body)) else {
            return Answer {
                status: 400,
                body: Vec::new(),
            };
        };
        let response = self.api.answer(request, &self.door).await;
        let status = response.status().as_u16();
        let Ok(body) = response.into_body().collect().await;
        Answer {
            status,
            body: body.to_bytes().to_vec(),
        }
    }

    /// The value of a good answer.
    pub(super) async fn value(&self, call: &Call) -> Result<Value, Failure> {
        parsed(&good(call, self.ask(call).await, false)?)
    }
}

/// The lock of a directory, or who has it: exit code 3.
pub(super) fn lock_of(directory: &Path) -> Result<Lock, Failure> {
    match Lock::take_if_free(directory) {
        Ok(Taken::Yes(lock)) => Ok(lock),
        other => Err(not_taken(directory, other)),
    }
}

fn not_taken(directory: &Path, taken: std::io::Result<Taken>) -> Failure {
    let directory = directory.display();
    match taken {
        Ok(Taken::No(holder)) => Failure::Unreachable(format!(
            "{directory} is held by {holder}\nend it first, or name another directory with --data"
        )),
        Ok(Taken::Yes(_)) => Failure::Unreachable(format!("{directory} was given back")),
        Err(error) => Failure::Unreachable(format!(
            "{directory} cannot be used as a data directory: {error}\nname another with --data"
        )),
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
pub(super) fn token_of_own_server(url: &str) -> Option<String> {
    let directory = Path::new(DEFAULT_DATA);
    let served = lock::last_holder(directory).url?;
    let same = served.trim_end_matches('/') == url.trim_end_matches('/');
    if same { token_in(directory) } else { None }
}

/// The token that a first start has left in the data directory.
fn token_in(directory: &Path) -> Option<String> {
    let text = std::fs::read_to_string(directory.join("token")).ok()?;
    Some(text.trim().to_owned()).filter(|token| !token.is_empty())
}
