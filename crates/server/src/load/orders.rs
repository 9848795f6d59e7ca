//! Orders of the scenario `mixed`, and how they come into the book.
//!
//! An order that was answered 201 stands for ever: once all is quiet it is sold, or called off
//! because nobody knows of a payment (a node died before it asked for one), and its hold ended the
//! same way.

use super::book::{Book, Ending, Entry};
use super::look::Look;
use crate::client::Caller;
use std::time::Instant;

/// An acknowledged order.
#[derive(Debug)]
pub(super) struct Ordered {
    pub(super) id: Box<str>,
    pub(super) units: u64,
    pub(super) granted: Instant,
}

/// The body of an order of one line by a card that pays; the customer named where the token has
/// none.
pub(super) fn encode(caller: &Caller, sku: &str, quantity: u64) -> String {
    let mut body = format!(
        "{{\"lines\":[{{\"sku\":\"{sku}\",\"quantity\":{quantity}}}],\
         \"payment\":{{\"method\":\"card\",\"token\":\"tok_ok\"}}"
    );
    if let Some(customer) = &caller.names {
        body += &format!(",\"customer\":\"{customer}\"");
    }
    body + "}"
}

/// Enters the holds of acknowledged orders; one that the server does not know is lost.
///
/// # Errors
/// The server does not answer.
pub(super) async fn enter(
    look: &Look,
    ordered: Vec<Ordered>,
    book: &mut Book,
) -> anyhow::Result<()> {
    for Ordered { id, units, granted } in ordered {
        let shown = look.order(&id).await?;
        // An order that is gone is looked for as the hold of its own name, which nobody has.
        let (hold, called_off) = shown.unwrap_or((id, false));
        let ending = match called_off {
            true => Ending::Released,
            false => Ending::Confirmed,
        };
        book.entries.push(Entry {
            id: hold,
            units,
            granted,
            // When it was called off only the server knows.
            until: called_off.then_some(granted),
            ending,
        });
    }
    Ok(())
}
