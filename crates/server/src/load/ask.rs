//! Asking once, and asking until there is an answer that decides.
//!
//! Kept: a request whose outcome is unknown is sent again with the same key and the same body,
//! never under another key, until it is answered. Each attempt is counted and written down.

use super::tally::{Recorder, line};
use crate::client::{Broken, Caller, Outgoing, Reply, Wire, member, outside};
use std::time::Duration;

/// A write under a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) route: &'a str,
    pub(crate) key: &'a str,
    pub(crate) body: &'a str,
    /// The hold that the route names.
    pub(crate) id: Option<&'a str>,
    /// SKU and units it is about.
    pub(crate) lines: Option<(&'a str, u64)>,
}

/// An answer that decides: the effect is there, or it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) status: u16,
    pub(crate) replayed: bool,
    /// The problem's code; empty for a success.
    pub(crate) code: Box<str>,
    /// The hold's id, in a success.
    pub(crate) id: Option<Box<str>>,
    /// An attempt before this one came to no answer.
    pub(crate) after_silence: bool,
}

impl Decided {
    pub(crate) fn is_success(&self) -> bool {
        self.status < 300
    }

    pub(crate) fn is_sold_out(&self) -> bool {
        &*self.code == "stock.sold_out"
    }
}

/// No answer that decides came in time: it is not known whether the effect is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no answer that decides came in time")]
pub(crate) struct Undecided;

/// How long to go on asking, and how long to pause between attempts at first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) limit: Duration,
    pub(crate) pause: Duration,
}

const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Sends it once.
///
/// # Errors
/// [`Broken`]: all kinds but a refused connection leave the outcome unknown.
pub(crate) async fn once<'w>(
    wire: &'w mut Wire,
    recorder: &Recorder,
    ask: &Ask<'_>,
) -> Result<Reply<'w>, Broken> {
    let sent = outside::now();
    let outgoing = Outgoing {
        method: "POST",
        path: ask.route,
        caller: ask.caller,
        key: Some(ask.key),
        body: Some(ask.body.as_bytes()),
    };
    let outcome = wire.exchange(&outgoing).await;
    let line = line(ask, sent, outside::now());
    match &outcome {
        Ok(reply) => recorder.answered(&line, reply),
        Err(broken) => recorder.broke(&line, broken),
    }
    outcome
}

/// Sends it until an answer decides: a success, or a refusal other than "not now" (408, 429, 503,
/// 504 and `in_flight`). Sold out decides: whether to go on wanting it is the caller's affair.
///
/// # Errors
/// [`Undecided`] after `patience.limit`.
pub(crate) async fn until_decided(
    wire: &mut Wire,
    recorder: &Recorder,
    ask: &Ask<'_>,
    patience: Patience,
) -> Result<Decided, Undecided> {
    let begun = outside::now();
    let mut pause = patience.pause;
    let mut after_silence = false;
    loop {
        let wait = match once(wire, recorder, ask).await {
            Ok(reply) if !is_not_now(&reply) => return Ok(decided(&reply, after_silence)),
            // Whole seconds are the least that the header can say.
            Ok(reply) => reply
                .retry_after
                .map(|seconds| Duration::from_secs(seconds.into())),
            Err(_) => {
                after_silence = true;
                None
            }
        };
        if begun.elapsed() > patience.limit {
            return Err(Undecided);
        }
        // Full jitter, so that those who were cut off together do not come back together.
        let most = wait
            .unwrap_or(pause)
            .min(Duration::from_secs(5))
            .max(Duration::from_millis(1));
        outside::pause(most.mul_f64(0.5 + 0.5 * outside::chance().f64())).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn is_not_now(reply: &Reply<'_>) -> bool {
    matches!(reply.status, 408 | 429 | 503 | 504)
        || (reply.status == 409 && reply.code() == Some("in_flight"))
}

fn decided(reply: &Reply<'_>, after_silence: bool) -> Decided {
    let success = reply.status < 300;
    Decided {
        status: reply.status,
        replayed: reply.replayed,
        code: reply.code().unwrap_or_default().into(),
        id: if success {
            member(reply.body, "id").map(Into::into)
        } else {
            None
        },
        after_silence,
    }
}
