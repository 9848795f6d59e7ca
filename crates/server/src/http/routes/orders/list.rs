//! Walking orders, newest first, a bounded number of rows for each answer.

use super::is_seen;
use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Query, Spot, cursor};
use crate::http::reads::{Wait, wait};
use crate::http::routes::holds::{SCAN_MAX, SCAN_STEP};
use crate::http::{Api, refusal, render, shapes, time};
use evenkeel_engine::port::{OrderFilter, OrderRow, Projection};
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
    wait: &Wait,
    (of, from, limit): (&str, Option<Spot>, usize),
    filter: &OrderFilter,
    show: impl Fn(&OrderRow, LogTime) -> Option<T>,
) -> Result<Answer, Problem> {
    let before = from.map_or(u64::MAX, |spot| spot.position);
    let listed = api.listed(wait, Projection::Orders, |views| {
        views.orders(filter, before, limit + 1)
    });
    if let Some(mut at) = listed.await? {
        let more = at.rows.len() > limit;
        at.rows.truncate(limit);
        let last = at.rows.last().filter(|_| more);
        let next_cursor = last.map(|view| cursor(of, Spot::at(view.row.created)));
        let rows = at.rows.iter();
        let items: Vec<T> = rows
            .filter_map(|view| show(&view.row, view.updated))
            .collect();
        return Ok(api.at(
            Answer::json(&shapes::Page { items, next_cursor }),
            at.position,
        ));
    }
    let found = found(api, wait, (from, limit), |row| fit(filter, row)).await?;
    let mut items = Vec::with_capacity(found.rows.len());
    for row in &found.rows {
        let updated = api.updated(row).await?;
        items.extend(show(row, updated));
    }
    let next_cursor = found.next.map(|next| cursor(of, next));
    let page = shapes::Page { items, next_cursor };
    Ok(api.at(Answer::json(&page), found.position))
}

/// Whether a list shows an order.
fn fit(filter: &OrderFilter, row: &OrderRow) -> Fit {
    let order = &row.body;
    // Log time never falls, so what was created before this one is older too.
    if filter.from.is_some_and(|from| order.created_at < from) {
        return Fit::End;
    }
    let of_sku = |sku: &SkuId| order.lines.iter().any(|line| line.sku == *sku);
    let shipment = order.shipment.as_ref().map(|shipment| shipment.status);
    let fits = is_seen(row, filter.customer.as_ref())
        && filter.status.is_none_or(|status| status == order.status)
        && filter.sku.as_ref().is_none_or(of_sku)
        && filter.to.is_none_or(|to| order.created_at < to)
        && filter
            .payment
            .is_none_or(|status| status == order.payment_status())
        && (!filter.shipped || shipment.is_some())
        && filter
            .shipment
            .is_none_or(|status| shipment == Some(status));
    if fits { Fit::Yes } else { Fit::No }
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
        let filter = OrderFilter {
            customer: own(caller, customer)?,
            status,
            sku,
            from,
            to,
            ..OrderFilter::default()
        };
        shown(
            api,
            &wait,
            ("orders", spot, limit),
            &filter,
            |row, updated| Some(render::order(row, updated)),
        )
        .await
    }))
}
