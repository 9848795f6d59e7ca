//! The stand-in product service: it has plenty of everything that it is asked for.

use super::knobs::Knobs;
use super::outcome::Outcome;
use crate::http::fields::{self, Fields};
use crate::http::json::Value;
use crate::http::problem::Problem;
use evenkeel_rules::ids::SkuId;
use http::StatusCode;
use serde_json::json;

/// Units that it says it has, of each SKU.
const PLENTY: u64 = 1_000_000;
/// Most lines of one question.
const LINES_MAX: usize = 100;

/// Says what is available; `attempt` names this question.
///
/// # Errors
/// The problem of a body that does not fit.
pub(super) fn availability(
    knobs: &Knobs,
    attempt: &str,
    body: &Value<'_>,
) -> Result<Outcome, Problem> {
    let skus = fields::read(body, |fields| fields.list("lines", LINES_MAX, line))?;
    if knobs.draw(&["refuse", "availability", attempt]) < knobs.refuse_rate {
        let body = json!({"code": "refused"});
        return Ok(Outcome::json(StatusCode::CONFLICT, &body));
    }
    let lines: Vec<_> = skus
        .iter()
        .map(|sku| json!({"sku": sku.as_str(), "available": PLENTY}))
        .collect();
    let outcome = Outcome::json(StatusCode::OK, &json!({"lines": lines}));
    Ok(outcome.uncertain(knobs, ["availability", attempt]))
}

/// A line: a SKU, and perhaps how many units are wanted.
fn line(fields: &mut Fields<'_, '_>) -> Option<SkuId> {
    let sku = fields.id("sku", SkuId::new);
    let wanted = fields.quantity_or_none("quantity");
    wanted.and(sku)
}
