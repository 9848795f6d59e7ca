//! What a run needs before it begins: a SKU of its own with units, and buyers with tokens.
//!
//! One customer a buyer. Tokens are made with the token that was given and taken back at the
//! end; where its role may not make tokens (operator), it asks for all buyers itself and names
//! each one's customer in the body.

use super::LoadArgs;
use super::look::Look;
use crate::client::outside::{self, Crew};
use crate::client::{Api, Caller, Failure, Limits, Pool, Target};
use serde::Deserialize;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;

/// Buyers in all, and at most for one connection.
const BUYERS: u32 = 1024;
const BUYERS_EACH: u32 = 16;

/// Nothing was run: the server is not there, or the arguments do not fit it.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Unready {
    text: String,
    exit: u8,
}

impl Unready {
    fn usage(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            exit: 2,
        }
    }

    /// Says it on standard error; the exit code that goes with it.
    pub(crate) fn tell(&self) -> ExitCode {
        for line in self.text.lines() {
            eprintln!("evenkeel: {line}");
        }
        ExitCode::from(self.exit)
    }
}

impl From<Failure> for Unready {
    fn from(failure: Failure) -> Self {
        let (exit, next) = match &failure {
            failure if failure.is_unreachable() => (
                3,
                "\nstart a server with evenkeel serve, or name another with --url",
            ),
            Failure::Refused { status: 401, .. } => (2, "\ngive a live token: --token"),
            Failure::Refused { status: 403, .. } => (2, "\ngive an admin's token: --token"),
            Failure::Broken { .. } | Failure::Refused { .. } | Failure::Shape(_) => (2, ""),
        };
        Self {
            text: format!("{failure}{next}"),
            exit,
        }
    }
}

/// Everything that the tasks of a run share.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(super) target: Target,
    pub(super) limits: Limits,
    pub(super) connections: u32,
    pub(super) sku: String,
    /// Begins every key and customer of this run.
    pub(super) run: String,
    /// What holds that shall outlive the run ask for; nothing: the server's own ttl will do.
    pub(super) ttl_ms: Option<u64>,
    /// One a customer.
    pub(super) buyers: Vec<Caller>,
    pub(super) shop: Caller,
    /// The token that was given, over a few connections of its own.
    api: Api,
    /// Names of the tokens that were made.
    made: Vec<String>,
}

#[derive(Deserialize)]
struct MadeToken {
    id: String,
    token: String,
}

/// The body of a request for a hold: one line, the customer named where the token has none.
pub(crate) fn encode_hold(
    caller: &Caller,
    sku: &str,
    quantity: u64,
    ttl_ms: Option<u64>,
) -> String {
    let mut body = format!("{{\"lines\":[{{\"sku\":\"{sku}\",\"quantity\":{quantity}}}]");
    if let Some(ttl_ms) = ttl_ms {
        body += &format!(",\"ttl_ms\":{ttl_ms}");
    }
    if let Some(customer) = &caller.names {
        body += &format!(",\"customer\":\"{customer}\"");
    }
    body + "}"
}

impl Stage {
    /// Sets the stage on a running server: a SKU with `units`, and some buyers a connection.
    ///
    /// # Errors
    /// [`Unready`], with the exit code that says why.
    pub(super) async fn set(args: &LoadArgs, units: u64) -> Result<Self, Unready> {
        let target = Target::new(&args.url).map_err(|error| Unready::usage(error.to_string()))?;
        let token = args.token.as_deref().ok_or_else(|| {
            Unready::usage(
                "a token is needed\ngive one with --token or EVENKEEL_TOKEN; a server started \
                 on a loopback address writes one to DIR/token",
            )
        })?;
        let given =
            Caller::bearer(token.trim()).map_err(|error| Unready::usage(error.to_string()))?;
        let limits = Limits {
            answer: Duration::from_secs(10),
            ..Limits::default()
        };
        let api = Api::new(&Pool::new(&target, limits, 32), given.clone());
        let run = outside::run_name();
        let sku = format!("load-{run}");
        let entry = json!({"name": "Load", "price": {"amount": 100, "currency": "EUR"}});
        api.put(&format!("/v1/skus/{sku}"), &entry)
            .await?
            .value::<Value>()?;
        let receipt = json!({"quantity": units, "reference": format!("load-{run}")});
        let path = format!("/v1/skus/{sku}/receive");
        api.post(&path, &format!("{run}-receive"), &receipt)
            .await?
            .value::<Value>()?;
        let mut stage = Self {
            target,
            limits,
            connections: args.connections,
            sku,
            run,
            ttl_ms: long_ttl(args.seconds),
            buyers: Vec::new(),
            shop: given,
            api,
            made: Vec::new(),
        };
        stage.people(buyers(args.connections)).await?;
        Ok(stage)
    }

    async fn people(&mut self, buyers: usize) -> Result<(), Unready> {
        let shop = make_token(self.api.clone(), format!("{}-shop", self.run), None).await?;
        let Some((id, shop)) = shop else {
            let names = (0..buyers).map(|at| customer(&self.run, at));
            self.buyers = names.map(|name| self.shop.clone().naming(&name)).collect();
            return Ok(());
        };
        self.shop = shop;
        self.made.push(id);
        let mut crew = Crew::new();
        for at in 0..buyers {
            let customer = customer(&self.run, at);
            crew.add(make_token(
                self.api.clone(),
                format!("{customer}-token"),
                Some(customer),
            ));
        }
        for made in crew.all().await {
            let (id, buyer) = made?.ok_or_else(|| Unready::usage("the token lost its role"))?;
            self.made.push(id);
            self.buyers.push(buyer);
        }
        Ok(())
    }

    /// What the server shows of this run.
    pub(super) fn look(&self) -> Look {
        Look::new(&self.api, &self.sku)
    }

    /// Makes the tokens useless that were made; a failure is said and changes nothing.
    pub(super) async fn leave(&self) {
        let mut crew = Crew::new();
        for id in &self.made {
            let (api, path) = (self.api.clone(), format!("/v1/tokens/{id}"));
            crew.add(async move {
                api.delete(&path, None)
                    .await
                    .is_ok_and(|answer| answer.is_success())
            });
        }
        let left = crew.all().await.into_iter().filter(|done| !done).count();
        if left > 0 {
            eprintln!("evenkeel: {left} tokens of this run could not be revoked");
        }
    }
}

/// So many that no connection reaches the limit of requests a second of one token.
fn buyers(connections: u32) -> usize {
    let each = (BUYERS / connections).clamp(1, BUYERS_EACH);
    (each * connections) as usize
}

/// A ttl that is over only after the run, and after as long again for the other server; nothing
/// when the usual ten minutes are enough.
fn long_ttl(seconds: u32) -> Option<u64> {
    let needed = u64::from(seconds) * 2 + 120;
    (needed > 600).then(|| needed.min(3600) * 1000)
}

fn customer(run: &str, at: usize) -> String {
    format!("load-{run}-{at}")
}

/// A token's name and bearer; nothing when the role may not make tokens.
pub(crate) async fn make_token(
    api: Api,
    key: String,
    customer: Option<String>,
) -> Result<Option<(String, Caller)>, Unready> {
    let body = match &customer {
        Some(customer) => json!({"role": "buyer", "customer": customer}),
        None => json!({"role": "shop"}),
    };
    let answer = api.post("/v1/tokens", &key, &body).await?;
    if answer.status == 403 {
        return Ok(None);
    }
    let made: MadeToken = answer.value()?;
    let caller = Caller::bearer(&made.token).map_err(|error| Unready::usage(error.to_string()))?;
    let caller = match customer {
        Some(customer) => caller.of_customer(&customer),
        None => caller,
    };
    Ok(Some((made.id, caller)))
}
