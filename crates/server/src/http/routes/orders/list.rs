//! Walking orders, newest first, a bounded number of rows for each answer.

use super::is_seen;
use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Query, Spot, cursor};
use crate::http::reads::{Wait, wait};
use crate::http::routes::holds::{SCAN_MAX, SCAN_STEP};
use crate::http::{Api, refusal, render, shapes, time};
use evenkeel_engine::port::OrderRow;
use evenkeel_rules::ids::{CustomerId, SkuId};
use evenkeel_rules::order::Status;
use evenkeel_rules::time::LogTime;
use serde::Serialize;

/// Whether a walk shows an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http::routes) enum Fit {
    /// It does.
    Yes,
    /// It goes on.
    No,
    /// Neither this one nor any before it.
    End,
}

/// What a walk found.
pub(in crate::http::routes) struct Found {
    pub(in crate::http::routes) rows: Vec<OrderRow>,
    /// The place after which the next walk goes on; nothing at the end.
    pub(in crate::http::routes) next: Option<Spot>,
    /// The position that it was read at.
    pub(in crate::http::routes) position: u64,
}

/// Walks from a place on until `limit` orders fit.
///
/// # Errors
/// What a read that failed is told as.
pub(in crate::http::routes) async fn found(
    api: &Api,
    wait: &Wait,
    (from, limit): (Option<Spot>, usize),
    fit: impl Fn(&OrderRow) -> Fit,
) -> Result<Found, Problem> {
    api.reach(wait).await?;
    let mut before = from.map_or(u64::MAX, |spot| spot.position);
    let (mut rows, mut scanned, mut position, mut more) = (Vec::new(), 0, None, true);
    while more && rows.len() < limit && scanned < SCAN_MAX {
        let step = SCAN_STEP.min(limit.max(SCAN_STEP / 10));
        let read = api.engine.store().orders(before, step).await;
        let at = read.map_err(|fault| refusal::of_read(&fault))?;
        position.get_or_insert(at.position);
        more = at.rows.len() == step;
        for row in at.rows {
            if rows.len() == limit {
                more = true;
                break;
            }
            (before, scanned) = (row.created, scanned + 1);
            match fit(&row) {
                Fit::Yes => rows.push(row),
                Fit::No => {}
                Fit::End => {
                    more = false;
                    break;
                }
            }
        }
    }
    Ok(Found {
        rows,
        next: more.then(|| Spot::at(before)),
        position: position.unwrap_or(0),
    })
}

/// The customer whose orders a list shows; nothing means every customer's.
///
/// # Errors
/// 403 for a buyer that names one.
pub(in crate::http::routes) fn own(
    own: Option<CustomerId>,
    named: Option<CustomerId>,
) -> Result<Option<CustomerId>, Problem> {
    if own.is_some() && named.is_some() {
        return Err(Problem::new(Code::Forbidden)
            .detail("A buyer's token says who the customer is; the query must not."));
    }
    Ok(own.or(named))
}

/// The page of a list of what orders show.
///
/// # Errors
/// What a read that failed is told as.
pub(in crate::http::routes) async fn shown<T: Serialize>(
    api: &Api,
    of: &str,
    found: Found,
    show: impl Fn(&OrderRow, LogTime) -> Option<T>,
) -> Result<Answer, Problem> {
    let mut items = Vec::with_capacity(found.rows.len());
    for row in &found.rows {
        let updated = api.updated(row).await?;
        items.extend(show(row, updated));
    }
    let next_cursor = found.next.map(|next| cursor(of, next));
    let page = shapes::Page { items, next_cursor };
    Ok(api.at(Answer::json(&page), found.position))
}

/// Which orders a list shows.
struct Filter {
    customer: Option<CustomerId>,
    status: Option<Status>,
    sku: Option<SkuId>,
    from: Option<LogTime>,
    to: Option<LogTime>,
}

impl Filter {
    fn fit(&self, row: &OrderRow) -> Fit {
        let order = &row.body;
        // Log time never falls, so what was created before this one is older too.
        if self.from.is_some_and(|from| order.created_at < from) {
            return Fit::End;
        }
        let of_sku = |sku: &SkuId| order.lines.iter().any(|line| line.sku == *sku);
        let fits = is_seen(row, self.customer.as_ref())
            && self.status.is_none_or(|status| status == order.status)
            && self.sku.as_ref().is_none_or(of_sku)
            && self.to.is_none_or(|to| order.created_at < to);
        if fits { Fit::Yes } else { Fit::No }
    }
}

pub(super) fn list<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let mut query = Query::new(call.query, call.route.doc.query);
    let customer = query.parameter("customer", "bad_id", |text| CustomerId::new(text).ok());
    let status = query.parameter("status", "enum", Status::from_name);
    let sku = query.parameter("sku", "bad_id", |text| SkuId::new(text).ok());
    let from = query.parameter("from", "time", time::parse);
    let to = query.parameter("to", "time", time::parse);
    let limit = query.limit();
    let spot = query.cursor("orders")?;
    query.finish()?;
    let wait = wait(call.headers)?;
    let caller = call.caller.customer.clone();
    Ok(Box::pin(async move {
        let filter = Filter {
            customer: own(caller, customer)?,
            status,
            sku,
            from,
            to,
        };
        let found = found(api, &wait, (spot, limit), |row| filter.fit(row)).await?;
        shown(api, "orders", found, |row, updated| {
            Some(render::order(row, updated))
        })
        .await
    }))
}
