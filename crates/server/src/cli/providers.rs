//! The providers of a serving engine: those that are configured, or a sandbox of its own.
//!
//! Without a configured provider, and only on this machine's own address, `serve` plays all of
//! them itself, so that a first order goes all the way with nothing installed. A provider that is
//! neither configured nor played is simply not there: nothing is sent to it, and orders that need
//! it end at their limit.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use evenkeel_engine::clock::{SystemClock, SystemIds};
use evenkeel_engine::gateway::http::{Endpoint, HttpGateway, HttpOptions};

use super::failure::Failure;
use super::serve::{bound, url_of};
use crate::config::Config;
use crate::http::Webhooks;
use crate::sandbox::{self, Handle, Options};
use crate::webhook::{Ring, new_secret};

/// The providers, and the sandbox that plays them, if one does.
pub(super) struct Providers {
    pub(super) gateway: Arc<HttpGateway>,
    pub(super) webhooks: Webhooks,
    sandbox: Option<(Handle, String)>,
}

impl Providers {
    /// Those of a configuration; they call back at `server.public_url`, or where it listens.
    pub(super) async fn of(config: &Config, listens: &str) -> Result<Self, Failure> {
        let url = config.public_url.as_deref().unwrap_or(listens);
        let none = config.payment.url.is_none() && config.delivery.url.is_none();
        if none && config.listen.ip().is_loopback() {
            return Self::played(config, url).await;
        }
        let options = HttpOptions {
            payment: endpoint(config.payment.url.as_deref(), url, "payment/default"),
            delivery: endpoint(config.delivery.url.as_deref(), url, "delivery/default"),
            allow: config.outbound.allowed(),
        };
        Ok(Self {
            gateway: gateway(options)?,
            webhooks: config.webhooks(),
            sandbox: None,
        })
    }

    async fn played(config: &Config, url: &str) -> Result<Self, Failure> {
        let mut webhooks = config.webhooks();
        let ring = match webhooks.payment.clone() {
            Some(ring) => ring,
            None => {
                let secret = new_secret(&SystemIds);
                let ring = Ring::new(&[secret]);
                ring.expect("a secret that was made a moment ago is well-formed")
            }
        };
        webhooks.payment = Some(ring.clone());
        webhooks.delivery = Some(ring.clone());
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = bound(any, "sandbox").await?;
        let at = url_of(&listener)?;
        let clock = Arc::new(SystemClock::new());
        let options = Options {
            ring,
            clock,
            journal: None,
        };
        let handle = sandbox::start(listener, options)
            .map_err(|error| Failure::Refused(format!("sandbox: {error}")))?;
        let options = HttpOptions {
            payment: endpoint(Some(&format!("{at}/payment")), url, "payment/sandbox"),
            delivery: endpoint(Some(&format!("{at}/delivery")), url, "delivery/sandbox"),
            allow: config.outbound.allowed(),
        };
        Ok(Self {
            gateway: gateway(options)?,
            webhooks,
            sandbox: Some((handle, at)),
        })
    }

    /// Where the sandbox is reached, if one plays the providers.
    pub(super) fn sandbox(&self) -> Option<&str> {
        self.sandbox.as_ref().map(|(_, url)| url.as_str())
    }

    /// Ends the sandbox, if there is one.
    pub(super) async fn stop(self) {
        if let Some((handle, _)) = self.sandbox {
            handle.stop().await;
        }
    }
}

fn endpoint(url: Option<&str>, own: &str, path: &str) -> Option<Endpoint> {
    url.map(|url| Endpoint {
        url: url.to_owned(),
        callback_url: Some(format!("{own}/v1/callbacks/{path}")),
    })
}

fn gateway(options: HttpOptions) -> Result<Arc<HttpGateway>, Failure> {
    let gateway = HttpGateway::new(options);
    Ok(Arc::new(
        gateway.map_err(|error| Failure::Usage(error.to_string()))?,
    ))
}
