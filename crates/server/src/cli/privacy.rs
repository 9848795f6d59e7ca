//! `privacy`: erasing what only providers and people may see of a customer.

use clap::Subcommand;
use serde_json::{Value, json};

use super::door::Call;
use super::operate::{Common, Operation, cell, encode};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Erase addresses, payment tokens and raw callbacks of a customer, for good
    #[command(after_help = "Example: evenkeel privacy erase c-1 --reason asked")]
    Erase {
        /// The customer
        customer: String,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        common: Common,
    },
}

impl Operation for Command {
    fn common(&self) -> &Common {
        let Self::Erase { common, .. } = self;
        common
    }

    fn call(&self) -> Call {
        let Self::Erase {
            customer, reason, ..
        } = self;
        let path = format!("/v1/private/{}", encode(customer));
        Call::delete_with(path, json!({"reason": reason}))
    }

    fn show(&self, answer: &Value) -> String {
        format!(
            "Erased {} private texts of {}.",
            cell(&answer["erased"]),
            cell(&answer["customer"])
        )
    }
}
