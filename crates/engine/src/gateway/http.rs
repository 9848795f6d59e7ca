//! Providers over HTTP: the adapter of the [`Gateway`] port that speaks their contract.
//!
//! It translates and decides nothing. A request is sent once, or a second time under its key on a
//! fresh connection if a kept one turned out to be closed; a redirect is an answer like any other,
//! that is, unknown; an answer is read in full or not at all, up to 256 KiB of body and 64 KiB of
//! head, within the caller's time-out.
//!
//! URLs of the configuration go where the operator says. URLs of steps pass [`Outbound`] at the
//! moment of connecting, and have connections of their own: one that was opened for a provider
//! never carries a step.

use super::outbound::{Outbound, Why};
use super::{Call, Gateway, Reply};
use crate::meter::SPANS;
use answer::Answer;
use asked::{Provider, Providers};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tracing::Instrument as _;
use wire::{Heard, Wire};

mod answer;
mod asked;
mod dial;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod outlet;
mod tls;
mod wire;

pub use answer::NAME_MAX;
pub use asked::KEY_MAX;
pub use dial::{ADDRESSES_MAX, CONNECT_MAX, Resolve, SystemResolver};
pub use tls::OPEN_MAX;
pub use wire::{BODY_MAX, HEAD_MAX, IDLE_FOR, IDLE_MAX};

/// A provider's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// What its paths are appended to; it has no query.
    pub url: String,
    /// Where it is told to call us back; without one it is only ever asked.
    pub callback_url: Option<String>,
}

/// Whom the adapter may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpOptions {
    /// Charges and refunds; without it they are not sent.
    pub payment: Option<Endpoint>,
    /// Deliveries; without it they are not sent.
    pub delivery: Option<Endpoint>,
    /// Where steps may lead.
    pub allow: Outbound,
}

/// Why the options are not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{which}.{what}: {why}")]
pub struct BadOptions {
    /// `payment` or `delivery`.
    pub which: &'static str,
    /// `url` or `callback_url`.
    pub what: &'static str,
    /// What is wrong with it.
    pub why: Why,
}

/// Providers over HTTP. Its connections run on the runtime that calls it.
pub struct HttpGateway {
    providers: Providers,
    /// For URLs of the configuration.
    trusted: Wire,
    /// For URLs of steps.
    guarded: Wire,
}

impl HttpGateway {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// [`BadOptions`] names the URL that is not one, or that needs the feature `tls`.
    pub fn new(options: HttpOptions) -> Result<Self, BadOptions> {
        Self::with_resolver(options, Arc::new(SystemResolver))
    }

    /// The same with names resolved by somebody else.
    ///
    /// # Errors
    /// As [`HttpGateway::new`].
    pub fn with_resolver(
        options: HttpOptions,
        names: Arc<dyn Resolve>,
    ) -> Result<Self, BadOptions> {
        let provider = |endpoint: Option<Endpoint>, which| {
            let provider = endpoint.map(|endpoint| Provider::new(endpoint, which));
            provider.transpose()
        };
        Ok(Self {
            trusted: Wire::new(None, Arc::clone(&names)),
            guarded: Wire::new(Some(options.allow.clone()), names),
            providers: Providers {
                payment: provider(options.payment, "payment")?,
                delivery: provider(options.delivery, "delivery")?,
                steps: options.allow,
            },
        })
    }
}

#[async_trait]
impl Gateway for HttpGateway {
    async fn call(&self, call: &Call, timeout: Duration) -> Reply {
        let sending = match self.providers.asked(call) {
            Ok(sending) => sending,
            Err(why) => return Reply::NotSent { why },
        };
        let wire = match call {
            Call::Step { .. } => &self.guarded,
            Call::Charge { .. }
            | Call::AskCharge { .. }
            | Call::Refund { .. }
            | Call::AskRefund { .. }
            | Call::Deliver { .. }
            | Call::AskDelivery { .. }
            | Call::CancelDelivery { .. } => &self.trusted,
        };
        let asked = call.name();
        let span = tracing::trace_span!(target: SPANS, "call", span.kind = "client", asked);
        match wire.exchange(&sending, timeout).instrument(span).await {
            Heard::Answer {
                status,
                body,
                again,
                ..
            } => {
                let body = body.as_deref();
                let answer = Answer {
                    status,
                    body,
                    again,
                };
                answer::read(call, &answer)
            }
            Heard::Nothing => Reply::Unknown,
            Heard::NotSent { why } => Reply::NotSent { why },
        }
    }
}

#[cfg(test)]
mod tests;
