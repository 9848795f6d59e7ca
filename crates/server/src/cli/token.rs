//! `token`: who may ask. A token is shown once, when it is made; the store keeps its hash.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::door::Call;
use super::operate::{Common, Operation, cell, encode, items};
use super::output::{self, Column};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a token and show it, this once
    #[command(after_help = "Example: evenkeel token create --role buyer --customer c-1")]
    Create {
        #[command(flatten)]
        new: New,
        #[command(flatten)]
        common: Common,
    },
    /// List the tokens, without their secrets
    #[command(after_help = "Example: evenkeel token list")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// End a token; it is refused from then on
    #[command(after_help = "Example: evenkeel token revoke t-17")]
    Revoke {
        /// The token's id, from `token list`
        id: String,
        #[command(flatten)]
        common: Common,
    },
}

/// What a new token may do, and for whom.
#[derive(Debug, Args)]
pub(super) struct New {
    /// What its bearer may do
    #[arg(long, value_enum)]
    role: Role,
    /// The one customer of a buyer's token
    #[arg(long, required_if_eq("role", "buyer"))]
    customer: Option<String>,
    /// The idempotency key: the same key again makes no second token [default: a new one]
    #[arg(long)]
    key: Option<String>,
}

/// The roles, as the API spells them.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// Its own holds
    Buyer,
    /// The holds of any customer
    Shop,
    /// SKUs and stock
    Staff,
    /// All but tokens
    Operator,
    /// Everything
    Admin,
    /// Every read but tokens, no write
    Auditor,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Buyer => "buyer",
            Self::Shop => "shop",
            Self::Staff => "staff",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }
}

impl Operation for Command {
    fn common(&self) -> &Common {
        match self {
            Self::Create { common, .. } | Self::List { common } | Self::Revoke { common, .. } => {
                common
            }
        }
    }

    fn call(&self) -> Call {
        match self {
            Self::Create {
                new:
                    New {
                        role,
                        customer,
                        key,
                    },
                ..
            } => {
                let mut body = json!({"role": role.name()});
                if let Some(customer) = customer {
                    body["customer"] = json!(customer);
                }
                Call::post("/v1/tokens", key.clone(), body)
            }
            Self::List { .. } => Call::get("/v1/tokens?limit=200"),
            Self::Revoke { id, .. } => Call::delete(format!("/v1/tokens/{}", encode(id))),
        }
    }

    fn show(&self, answer: &Value) -> String {
        match self {
            Self::Create { .. } => cell(&answer["token"]),
            Self::Revoke { id, .. } => format!("Token {id} is revoked."),
            Self::List { .. } => {
                let columns = ["id", "role", "customer", "created_at", "revoked_at"];
                let rows = items(&answer["items"])
                    .iter()
                    .map(|item| columns.map(|name| cell(&item[name])).to_vec());
                output::table(&columns.map(Column::Word), rows.collect())
            }
        }
    }
}
