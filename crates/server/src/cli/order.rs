//! `order`: what was ordered and what became of it; calling it off, giving money back.

use clap::Subcommand;
use evenkeel_rules::money::Money;
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::door::Call;
use super::operate::{Common, Operation, Word, cell, encode, items, when};
use super::output::{self, Column};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List orders, newest first
    #[command(after_help = "Example: evenkeel order list --status PENDING --customer c-1")]
    List {
        /// Only orders of this customer
        #[arg(long)]
        customer: Option<String>,
        /// Only orders with this status, as in PENDING or DELIVERED
        #[arg(long)]
        status: Option<String>,
        /// Only orders with this SKU
        #[arg(long)]
        sku: Option<String>,
        #[command(flatten)]
        common: Common,
    },
    /// Show an order with its lines, money and parcel
    #[command(after_help = "Example: evenkeel order show o-1")]
    Show {
        /// The order
        id: String,
        #[command(flatten)]
        common: Common,
    },
    /// Call an order off; what was paid goes back
    #[command(after_help = "Example: evenkeel order cancel o-1 --reason twice")]
    Cancel {
        /// The order
        id: String,
        #[command(flatten)]
        word: Word,
    },
    /// Give money back: an amount, or all that is left
    #[command(
        after_help = "Example: evenkeel order refund o-1 --amount 500 --currency EUR \
                            --reason scratched"
    )]
    Refund {
        /// The order
        id: String,
        /// How much, in minor units: 500 is 5.00 EUR [default: all that is left]
        #[arg(long, requires = "currency")]
        amount: Option<i64>,
        /// The currency of the amount
        #[arg(long, requires = "amount")]
        currency: Option<String>,
        #[command(flatten)]
        word: Word,
    },
}

impl Operation for Command {
    fn common(&self) -> &Common {
        match self {
            Self::List { common, .. } | Self::Show { common, .. } => common,
            Self::Cancel { word, .. } | Self::Refund { word, .. } => &word.common,
        }
    }

    fn call(&self) -> Call {
        match self {
            Self::List {
                customer,
                status,
                sku,
                ..
            } => {
                let wanted = [("customer", customer), ("status", status), ("sku", sku)];
                let mut path = "/v1/orders?limit=200".to_owned();
                for (name, value) in wanted {
                    if let Some(value) = value {
                        path.push_str(&format!("&{name}={}", encode(value)));
                    }
                }
                Call::get(path)
            }
            Self::Show { id, .. } => Call::get(format!("/v1/orders/{}", encode(id))),
            Self::Cancel { id, word } => word.post(format!("/v1/orders/{}/cancel", encode(id))),
            Self::Refund {
                id,
                amount,
                currency,
                word,
            } => {
                let mut body = Map::new();
                body.insert("reason".to_owned(), json!(word.reason));
                if let (Some(amount), Some(currency)) = (amount, currency) {
                    let money = json!({"amount": amount, "currency": currency});
                    body.insert("amount".to_owned(), money);
                }
                let path = format!("/v1/orders/{}/refunds", encode(id));
                Call::post(path, word.key.clone(), Value::Object(body))
            }
        }
    }

    fn show(&self, answer: &Value) -> String {
        match self {
            Self::List { .. } => list(answer),
            Self::Show { .. } | Self::Cancel { .. } => one(answer),
            Self::Refund { .. } => format!(
                "Refund {} of {}: {}.",
                cell(&answer["id"]),
                money(&answer["amount"]),
                cell(&answer["status"])
            ),
        }
    }
}

/// An amount as `19.99 EUR`; nothing where there is none.
pub(super) fn money(value: &Value) -> String {
    let money = Money::deserialize(value);
    money.map_or_else(|_| String::new(), |money| money.to_string())
}

fn list(answer: &Value) -> String {
    let items = items(&answer["items"]);
    if items.is_empty() {
        return "There is no such order.".to_owned();
    }
    let columns = [
        Column::Word("order"),
        Column::Word("customer"),
        Column::Text("status"),
        Column::Number("total"),
        Column::Word("since"),
    ];
    let row = |order: &Value| {
        vec![
            cell(&order["id"]),
            cell(&order["customer"]),
            status(order),
            money(&order["total"]),
            when(&order["since"]),
        ]
    };
    output::table(&columns, items.iter().map(row).collect())
}

/// An order's status, with what is under way.
fn status(order: &Value) -> String {
    let mut status = cell(&order["status"]);
    if order["cancelling"] == json!(true) {
        status.push_str(" (cancelling)");
    }
    if order["requires_review"] == json!(true) {
        status.push_str(" (review)");
    }
    status
}

fn one(order: &Value) -> String {
    let mut lines = vec![format!(
        "Order {} of {}: {}{}",
        cell(&order["id"]),
        cell(&order["customer"]),
        status(order),
        order["reason"]
            .as_str()
            .map_or_else(String::new, |reason| format!(", {reason}")),
    )];
    for line in order["lines"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  {:>6} x {:<40} {}",
            cell(&line["quantity"]),
            cell(&line["sku"]),
            money(&line["price"])
        ));
    }
    lines.push(format!("Total     {}", money(&order["total"])));
    let payment = &order["payment"];
    lines.push(format!(
        "Payment   {}: captured {}, refunded {}",
        cell(&payment["status"]),
        money(&payment["captured"]),
        money(&payment["refunded"])
    ));
    if !order["shipment"].is_null() {
        lines.push(format!("Shipment  {}", cell(&order["shipment"]["status"])));
    }
    if let Some(due) = order["next_due"].as_str() {
        lines.push(format!("Next      {due}"));
    }
    lines.push(format!(
        "Story     evenkeel explain order {}",
        cell(&order["id"])
    ));
    lines.join("\n")
}
