//! Orders as the server shows them, and asking until one is decided.

use super::stage::SKU;
use crate::client::Api;
use crate::client::outside;
use crate::load::ask::Undecided;
use serde::Deserialize;
use std::time::{Duration, Instant};

/// Longest wait until an order is decided: its money has a limit that is shorter.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long after its limit an order's money may still come.
const LATE: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(30);
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// Minor units; the demo has one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) struct Amount {
    pub(super) amount: i64,
}

/// An order.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Shown {
    pub(super) id: Box<str>,
    pub(super) status: String,
    #[serde(default)]
    pub(super) cancelling: bool,
    pub(super) payment: Paid,
    #[serde(default)]
    pub(super) shipment: Option<Parcel>,
    pub(super) lines: Vec<Line>,
    pub(super) holds: Vec<Box<str>>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Paid {
    pub(super) captured: Amount,
    pub(super) refunded: Amount,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Parcel {
    pub(super) status: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Line {
    pub(super) quantity: u64,
}

/// Whether a buyer has what it ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// That is not decided yet.
    Open,
    /// It has.
    Kept,
    /// It has not, and will not.
    Lost,
}

impl Shown {
    /// Minor units that were captured and not given back.
    pub(super) fn kept(&self) -> i64 {
        self.payment.captured.amount - self.payment.refunded.amount
    }

    /// Its units are on their way, or there.
    pub(super) fn has_left(&self) -> bool {
        let left = |parcel: &Parcel| matches!(parcel.status.as_str(), "IN_TRANSIT" | "DELIVERED");
        self.shipment.as_ref().is_some_and(left)
    }

    pub(super) fn stand(&self) -> Stand {
        match self.status.as_str() {
            "PAID" | "CONFIRMED" if !self.cancelling => Stand::Kept,
            "SHIPPED" | "DELIVERED" => Stand::Kept,
            "REFUNDED" if self.has_left() => Stand::Kept,
            // Its money may still come; then its units are taken again, or it goes back.
            "EXPIRED" if self.payment.captured.amount == 0 || self.kept() != 0 => Stand::Open,
            "EXPIRED" | "CANCELLED" | "REFUNDED" | "REJECTED" => Stand::Lost,
            _ => Stand::Open,
        }
    }

    /// Nothing more is going to happen to it.
    pub(super) fn is_quiet(&self) -> bool {
        let ended = ["DELIVERED", "REFUNDED", "CANCELLED", "EXPIRED", "REJECTED"];
        ended.contains(&self.status.as_str()) && !self.cancelling
    }

    /// Units that it sold: none if it was called off before they left.
    pub(super) fn sold(&self) -> u64 {
        match self.stand() {
            Stand::Kept => self.lines.iter().map(|line| line.quantity).sum(),
            Stand::Open | Stand::Lost => 0,
        }
    }
}

/// The server's orders, seen with a token that may see all.
#[derive(Debug, Clone)]
pub(super) struct Orders(pub(super) Api);

#[derive(Deserialize)]
struct Page {
    items: Vec<Shown>,
    next_cursor: Option<String>,
}

impl Orders {
    /// All of them, newest first.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) async fn all(&self) -> anyhow::Result<Vec<Shown>> {
        let first = format!("/v1/orders?sku={SKU}&limit=200");
        let mut all = Vec::new();
        let mut path = first.clone();
        loop {
            let page: Page = self.0.get(&path).await?.value()?;
            all.extend(page.items);
            let Some(cursor) = page.next_cursor else {
                return Ok(all);
            };
            path = format!("{first}&cursor={cursor}");
        }
    }

    /// The newest of them, as many as one page has.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) async fn newest(&self) -> anyhow::Result<Vec<Shown>> {
        let path = format!("/v1/orders?sku={SKU}&limit=200");
        let page: Page = self.0.get(&path).await?.value()?;
        Ok(page.items)
    }

    /// Looks at an order until it is decided whether its buyer has it.
    ///
    /// # Errors
    /// [`Undecided`] after a minute.
    pub(super) async fn decided(&self, id: &str) -> Result<Shown, Undecided> {
        let mut expired: Option<Instant> = None;
        let over = |shown: &Shown| {
            if shown.status == "EXPIRED" {
                let since = *expired.get_or_insert_with(outside::now);
                return shown.stand() == Stand::Lost || since.elapsed() > LATE;
            }
            shown.stand() != Stand::Open
        };
        self.until(id, over).await
    }

    /// Looks at an order until it is as it should be, over kills of the server.
    ///
    /// # Errors
    /// [`Undecided`] after a minute.
    pub(super) async fn until(
        &self,
        id: &str,
        mut enough: impl FnMut(&Shown) -> bool,
    ) -> Result<Shown, Undecided> {
        let (begun, mut pause) = (outside::now(), PAUSE);
        let path = format!("/v1/orders/{id}");
        loop {
            if let Ok(answer) = self.0.get(&path).await
                && let Ok(shown) = answer.value::<Shown>()
                && enough(&shown)
            {
                return Ok(shown);
            }
            if begun.elapsed() > PATIENCE {
                return Err(Undecided);
            }
            outside::pause(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(status: &str, money: (i64, i64), parcel: Option<&str>) -> Shown {
        let shown = json!({
            "id": "o-1", "status": status, "cancelling": status == "PAID",
            "payment": {"captured": {"amount": money.0}, "refunded": {"amount": money.1}},
            "shipment": parcel.map(|status| json!({"status": status})),
            "lines": [{"quantity": 2}], "holds": ["order:o-1"],
        });
        serde_json::from_value(shown).expect("it is an order")
    }

    #[test]
    fn only_what_is_not_called_off_before_it_left_is_sold() {
        for (status, money, parcel, stand) in [
            ("PENDING", (0, 0), None, Stand::Open),
            // Being called off.
            ("PAID", (9, 0), Some("REQUESTED"), Stand::Open),
            ("CONFIRMED", (9, 0), Some("REQUESTED"), Stand::Kept),
            ("DELIVERED", (9, 3), Some("DELIVERED"), Stand::Kept),
            ("REFUNDED", (9, 9), Some("DELIVERED"), Stand::Kept),
            ("REFUNDED", (9, 9), Some("CANCELLED"), Stand::Lost),
            ("CANCELLED", (9, 0), None, Stand::Lost),
            ("EXPIRED", (0, 0), None, Stand::Open),
            ("EXPIRED", (9, 0), None, Stand::Open),
            ("EXPIRED", (9, 9), None, Stand::Lost),
        ] {
            let shown = shown(status, money, parcel);
            assert_eq!(shown.stand(), stand, "{status} {money:?}");
            let units = if stand == Stand::Kept { 2 } else { 0 };
            assert_eq!(shown.sold(), units, "{status} {money:?}");
        }
    }
}
