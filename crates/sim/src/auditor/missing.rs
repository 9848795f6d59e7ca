//! Refusals that say that something is not there, or stands otherwise than asked for.

use super::answers::Attempt;
use super::model::{Model, text};
use super::{carts, sagas, said};
use evenkeel_engine::commit::{Command, Rejection};
use evenkeel_rules::{hold, stock};

/// Whether what is called missing is missing; nothing if the refusal calls nothing so.
pub(super) fn is_missing(
    rejection: &Rejection,
    attempt: &Attempt,
    position: u64,
    model: &Model,
) -> Option<bool> {
    let since = |stream: &str| model.streams.get(stream).map(|stream| stream.created);
    let missing = |stream: &str| since(stream).is_none_or(|created| created > position);
    match (rejection, &attempt.command) {
        (Rejection::Hold(hold::Rejection::SkuUnknown { sku }), _) => {
            Some(missing(&format!("sku:{sku}")))
        }
        (Rejection::Stock(stock::Rejection::SkuUnknown), Command::ChangeStock { sku, .. }) => {
            Some(missing(&format!("sku:{sku}")))
        }
        (
            Rejection::Hold(hold::Rejection::NotFound),
            Command::Confirm { id, .. } | Command::Release { id } | Command::Extend { id, .. },
        ) => {
            let hold = model.holds.get(id.as_str());
            let customer = hold.map_or("", |hold| text(&hold.data, "customer"));
            let another = attempt
                .owner
                .as_deref()
                .is_some_and(|owner| owner != customer);
            Some(another || missing(&format!("hold:{id}")))
        }
        (Rejection::Order(rejection), command) => said::is_true(
            rejection,
            (command, attempt.owner.as_deref()),
            position,
            model,
        ),
        (Rejection::Cart(rejection), command) => carts::is_true(
            rejection,
            (command, attempt.owner.as_deref()),
            position,
            model,
        ),
        (Rejection::Saga(rejection), command) => {
            sagas::is_true(rejection, command, position, model)
        }
        _ => None,
    }
}
