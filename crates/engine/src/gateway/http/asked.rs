//! From a call to a request.

use super::wire::Sending;
use super::{BadOptions, Endpoint};
use crate::gateway::Call;
use crate::gateway::outbound::{Outbound, Url, Why};
use bytes::Bytes;
use evenkeel_rules::ids::{OrderId, SkuId};
use evenkeel_rules::money::Money;
use http::{HeaderValue, Method, Uri};
use serde::Serialize;

/// Most characters of a key.
pub const KEY_MAX: usize = 255;

/// A provider of the configuration.
#[derive(Debug)]
pub(super) struct Provider {
    /// Without a slash at its end.
    base: String,
    callback_url: Option<String>,
}

impl Provider {
    pub(super) fn new(endpoint: Endpoint, which: &'static str) -> Result<Self, BadOptions> {
        let bad = |what, why| BadOptions { which, what, why };
        let url = Url::parse(&endpoint.url).map_err(|why| bad("url", why))?;
        url.callable().map_err(|why| bad("url", why))?;
        if url.uri().query().is_some() {
            return Err(bad("url", Why::Syntax));
        }
        if let Some(callback) = &endpoint.callback_url {
            Url::parse(callback).map_err(|why| bad("callback_url", why))?;
        }
        Ok(Self {
            base: url.uri().to_string().trim_end_matches('/').to_owned(),
            callback_url: endpoint.callback_url,
        })
    }

    fn at(&self, path: &str) -> Result<Uri, String> {
        let uri = format!("{}/{path}", self.base).parse();
        uri.map_err(|error: http::uri::InvalidUri| error.to_string())
    }
}

/// Whom the engine can ask.
#[derive(Debug)]
pub(super) struct Providers {
    pub(super) payment: Option<Provider>,
    pub(super) delivery: Option<Provider>,
    /// For the early no to a step.
    pub(super) steps: Outbound,
}

#[derive(Serialize)]
struct ChargeBody<'a> {
    order: &'a OrderId,
    amount: Money,
    token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_url: Option<&'a str>,
}

#[derive(Serialize)]
struct RefundBody<'a> {
    transaction: &'a str,
    amount: Money,
    order: &'a OrderId,
}

#[derive(Serialize)]
struct LineBody<'a> {
    sku: &'a SkuId,
    quantity: u64,
}

#[derive(Serialize)]
struct DeliverBody<'a> {
    order: &'a OrderId,
    lines: Vec<LineBody<'a>>,
    address_ref: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    callback_url: Option<&'a str>,
}

impl Providers {
    fn payment(&self) -> Result<&Provider, String> {
        let payment = self.payment.as_ref();
        payment.ok_or_else(|| "payment.url is not set".to_owned())
    }

    fn delivery(&self) -> Result<&Provider, String> {
        let delivery = self.delivery.as_ref();
        delivery.ok_or_else(|| "delivery.url is not set".to_owned())
    }

    /// The request that a call is, or why there is none.
    pub(super) fn asked(&self, call: &Call) -> Result<Sending, String> {
        match call {
            Call::Charge {
                key,
                order,
                amount,
                token,
            } => {
                let provider = self.payment()?;
                let body = ChargeBody {
                    order,
                    amount: *amount,
                    token,
                    callback_url: provider.callback_url.as_deref(),
                };
                effect(key, provider.at("charges")?, json(&body))
            }
            Call::Refund {
                key,
                order,
                transaction,
                amount,
            } => {
                let body = RefundBody {
                    transaction,
                    amount: *amount,
                    order,
                };
                effect(key, self.payment()?.at("refunds")?, json(&body))
            }
            Call::Deliver {
                key,
                order,
                lines,
                address_ref,
            } => {
                let provider = self.delivery()?;
                let body = DeliverBody {
                    order,
                    lines: lines.iter().map(line_of).collect(),
                    address_ref: address_ref.as_deref(),
                    callback_url: provider.callback_url.as_deref(),
                };
                effect(key, provider.at("deliveries")?, json(&body))
            }
            Call::CancelDelivery { key, delivery } => {
                let path = format!("deliveries/{}/cancel", encoded(delivery));
                effect(key, self.delivery()?.at(&path)?, Bytes::from_static(b"{}"))
            }
            Call::Step { key, url, body } => {
                let url = self.steps.check_url(url).map_err(|why| why.to_string())?;
                effect(key, url.uri().clone(), body.clone().into())
            }
            Call::AskCharge { key } => question(self.payment()?, "charges", key),
            Call::AskRefund { key } => question(self.payment()?, "refunds", key),
            Call::AskDelivery { key } => question(self.delivery()?, "deliveries", key),
        }
    }
}

fn line_of((sku, quantity): &(SkuId, u64)) -> LineBody<'_> {
    let quantity = *quantity;
    LineBody { sku, quantity }
}

fn json(body: &impl Serialize) -> Bytes {
    let text = serde_json::to_vec(body);
    text.expect("ids, numbers and texts can be written as JSON")
        .into()
}

fn effect(key: &str, uri: Uri, body: Bytes) -> Result<Sending, String> {
    let fits = (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    let header = HeaderValue::from_str(key).ok().filter(|_| fits);
    let key = header.ok_or("the key is not 1 to 255 visible ASCII characters")?;
    Ok(Sending {
        method: Method::POST,
        uri,
        key: Some(key),
        body,
        headers: http::HeaderMap::new(),
    })
}

fn question(provider: &Provider, path: &str, key: &str) -> Result<Sending, String> {
    Ok(Sending {
        method: Method::GET,
        uri: provider.at(&format!("{path}?key={}", encoded(key)))?,
        key: None,
        body: Bytes::new(),
        headers: http::HeaderMap::new(),
    })
}

/// A text as one part of a path or a query: everything but unreserved characters as `%XX`.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
