//! What the sale needs before it opens: tokens, the SKU, its units.

use super::DemoArgs;
use super::cast::{Part, cast};
use super::ground::Ground;
use super::orders::Orders;
use crate::client::outside::{self, Crew};
use crate::client::{Api, Caller, Limits, Pool, Target};
use crate::load::acks::AcksFile;
use crate::load::look::Look;
use crate::load::make_token;
use crate::load::tally::Recorder;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(super) const SKU: &str = "lamp";
/// Minor units of EUR.
pub(super) const PRICE: i64 = 1999;
/// Connections that the buyers share: a machine's usual limit of open files is 1024.
const CONNECTIONS: usize = 256;

/// Everything that the sale's tasks share.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) pool: Pool,
    pub(super) look: Look,
    pub(super) orders: Orders,
    pub(super) shop: Arc<Caller>,
    pub(super) buyers: Arc<[Caller]>,
    pub(super) parts: Arc<[Part]>,
    pub(super) recorder: Arc<Recorder>,
}

impl Stage {
    /// Sets the stage on a server that has just come up.
    ///
    /// # Errors
    /// The server refused something, or the acks file cannot be written.
    pub(super) async fn set(args: &DemoArgs, ground: &Ground) -> anyhow::Result<(Self, AcksFile)> {
        let token = std::fs::read_to_string(ground.token_file())
            .with_context(|| format!("no admin token in {}", ground.token_file().display()))?;
        let limits = Limits {
            answer: Duration::from_secs(10),
            ..Limits::default()
        };
        let pool = Pool::new(&Target::new(&ground.url())?, limits, CONNECTIONS);
        let admin = Api::new(&pool, Caller::bearer(token.trim())?);
        let lamp = json!({"name": "Lamp", "price": {"amount": PRICE, "currency": "EUR"}});
        admin
            .put(&format!("/v1/skus/{SKU}"), &lamp)
            .await?
            .value::<Value>()?;
        let receipt = json!({"quantity": args.units, "reference": "demo-opening"});
        let path = format!("/v1/skus/{SKU}/receive");
        admin
            .post(&path, "demo-receive", &receipt)
            .await?
            .value::<Value>()?;

        let may_not = "the admin token may make tokens";
        let shop = make_token(admin.clone(), "demo-shop".to_owned(), None).await?;
        let (_, shop) = shop.context(may_not)?;
        let mut crew = Crew::new();
        for number in 0..args.buyers {
            let (api, customer) = (admin.clone(), customer(number));
            crew.add(make_token(api, format!("{customer}-token"), Some(customer)));
        }
        let mut buyers = Vec::new();
        for made in crew.all().await {
            buyers.push(made?.context(may_not)?.1);
        }
        let (acks, log) = AcksFile::create(ground.acks())
            .with_context(|| format!("cannot write {}", ground.acks().display()))?;
        let parts = cast(
            args.buyers,
            (args.window(), args.faults),
            &mut outside::chance(),
        );
        let stage = Self {
            look: Look::new(&admin, SKU),
            orders: Orders(admin),
            pool,
            shop: Arc::new(shop),
            buyers: buyers.into(),
            parts: parts.into(),
            recorder: Arc::new(Recorder::new(Some(log))),
        };
        Ok((stage, acks))
    }
}

fn customer(number: u32) -> String {
    format!("buyer-{number}")
}
