//! `sandbox`: the stand-in payment, delivery and product services, until a signal ends them.
//!
//! The first line of standard output says where they are reached, the lines after it are the
//! configuration that makes an engine use them, secret included: it protects nothing but tests.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use evenkeel_engine::clock::{SystemClock, SystemIds};

use super::failure::{Failure, Verdict, tell};
use super::process::{self, Ends};
use super::serve::{bound, url_of};
use super::{output, start};
use crate::sandbox::{self, Options};
use crate::webhook::{Ring, new_secret};

/// Where an engine takes the secret from, and so the sandbox that plays its provider.
const SECRET: &str = "EVENKEEL_PAYMENT__WEBHOOK_SECRET";

/// The flags of `sandbox`.
#[derive(Debug, Args)]
pub(super) struct Sandbox {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7412")]
    listen: SocketAddr,
    /// The secret of its callbacks [default: EVENKEEL_PAYMENT__WEBHOOK_SECRET, else a new one]
    #[arg(long, value_name = "whsec_...")]
    secret: Option<String>,
    /// Keep what was asked in this file, and begin with what is in it
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

pub(super) fn run(command: &Sandbox) -> Result<Verdict, Failure> {
    if start::variable("EVENKEEL_DIE_WITH_PARENT").is_some() {
        process::die_with_parent()?;
    }
    start::log_warnings()?;
    start::runtime()?.block_on(serve(command))
}

async fn serve(command: &Sandbox) -> Result<Verdict, Failure> {
    let mut ends = Ends::listen()?;
    let secrets = secrets(command)?;
    let ring = Ring::new(&secrets).map_err(|error| Failure::Usage(error.to_string()))?;
    let listener = bound(command.listen, "--listen").await?;
    let url = url_of(&listener)?;
    if !command.listen.ip().is_loopback() {
        tell(
            "whoever reaches this address can make it call any URL: keep it on a network of tests",
        );
    }
    let clock = Arc::new(SystemClock::new());
    let options = Options {
        ring,
        clock,
        journal: command.data.clone(),
    };
    let sandbox = sandbox::start(listener, options)
        .map_err(|error| Failure::Usage(format!("--data: {error}")))?;
    let signer = secrets.first().expect("a ring is never empty");
    let configuration = sandbox::configuration(&url, signer);
    output::line(&format!("ready {url}\n{configuration}"))?;
    ends.asked().await;
    sandbox.stop().await;
    Ok(Verdict::True)
}

/// The secrets, in the order of a ring: of the flag, of the variable (a text or a TOML list, as in
/// the configuration), or a new one.
fn secrets(command: &Sandbox) -> Result<Vec<String>, Failure> {
    if let Some(secret) = &command.secret {
        return Ok(vec![secret.clone()]);
    }
    let Some(text) = start::variable(SECRET) else {
        return Ok(vec![new_secret(&SystemIds)]);
    };
    if !text.trim_start().starts_with('[') {
        return Ok(vec![text]);
    }
    let list = format!("secrets = {text}").parse::<toml::Table>();
    let list = list.ok().and_then(|table| {
        let items = table.get("secrets")?.as_array()?;
        let text = |item: &toml::Value| item.as_str().map(str::to_owned);
        items.iter().map(text).collect::<Option<Vec<_>>>()
    });
    list.ok_or_else(|| Failure::Usage(format!("{SECRET} is no list of texts")))
}
