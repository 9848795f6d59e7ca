//! Holds: place, look, confirm, release, extend.

use super::{Writer, customer, orders, writer};
use crate::http::call::{Act, Answer, Call};
use crate::http::fields::Fields;
use crate::http::problem::{Code, Problem};
use crate::http::query::{Query, Spot, cursor};
use crate::http::reads::{Wait, wait};
use crate::http::refusal::Named;
use crate::http::route::{CONFIRMING, Doc, READING, Route, SELLING, Who};
use crate::http::{Api, refusal, render, shapes};
use evenkeel_engine::commit::{Command, Effect};
use evenkeel_engine::port::{HoldFilter, Projection};
use evenkeel_engine::{Done, Refusal};
use evenkeel_rules::hold::{LINES_MAX, Place, State, Wanted, sum};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, SkuId};
use evenkeel_rules::time::Millis;
use http::{Method, StatusCode};
use schemars::SchemaGenerator;

/// The shortest that a hold may be asked to live.
const TTL_MIN: i64 = 1000;
/// Rows that one answer looks through for those that fit its filter.
pub(super) const SCAN_MAX: usize = 10_000;
/// Rows that are read at once.
pub(super) const SCAN_STEP: usize = 500;

const ENDED: &[Code] = &[
    Code::NotFound,
    Code::Version,
    Code::HoldExpired,
    Code::HoldReleased,
    Code::HoldConfirmed,
    Code::HoldConfirming,
];

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        pattern: "/v1/holds",
        who: Who::Roles(SELLING),
        prepare: place,
        doc: Doc {
            summary: "Sets units aside until a deadline, all lines or none.",
            request: Some(SchemaGenerator::subschema_for::<shapes::Place>),
            answers: &[(201, Some(SchemaGenerator::subschema_for::<shapes::Hold>))],
            query: &[],
            problems: &[
                Code::SkuUnknown,
                Code::AlreadyExists,
                Code::LimitExceeded,
                Code::SaleNotOpen,
                Code::LimitCustomer,
                Code::SoldOut,
            ],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/holds",
        who: Who::Roles(READING),
        prepare: list,
        doc: Doc {
            summary: "Lists holds, newest first.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Page<shapes::Hold>>),
            )],
            query: &["customer", "state", "sku", "limit", "cursor"],
            problems: &[Code::BadCursor],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/holds/{id}",
        who: Who::Roles(READING),
        prepare: show,
        doc: Doc {
            summary: "Shows a hold.",
            request: None,
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Hold>))],
            query: &[],
            problems: &[Code::NotFound],
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/holds/{id}/confirm",
        who: Who::Roles(CONFIRMING),
        prepare: confirm,
        doc: Doc {
            summary: "Sells a hold's units, all or those that the lines name; the rest goes back.",
            request: Some(SchemaGenerator::subschema_for::<shapes::Confirm>),
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Hold>))],
            query: &[],
            problems: ENDED,
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/holds/{id}/release",
        who: Who::Roles(SELLING),
        prepare: release,
        doc: Doc {
            summary: "Gives a hold's units back.",
            request: Some(SchemaGenerator::subschema_for::<shapes::Nothing>),
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Hold>))],
            query: &[],
            problems: ENDED,
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/holds/{id}/extend",
        who: Who::Roles(SELLING),
        prepare: extend,
        doc: Doc {
            summary: "Moves a hold's deadline to now + ttl_ms, within its longest life.",
            request: Some(SchemaGenerator::subschema_for::<shapes::Extend>),
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Hold>))],
            query: &[],
            problems: ENDED,
        },
    },
];

/// Reads a line that a request names. Where the shop allocates, one without a location leaves it
/// open; elsewhere it means `main`.
pub(super) fn line(line: &mut Fields<'_, '_>, api: &Api) -> Option<Wanted> {
    let sku = line.id("sku", SkuId::new);
    let quantity = line.quantity("quantity");
    let location = line.id_or_none("location", LocationId::new);
    let location = location?.unwrap_or_else(|| match api.settings.allocates {
        true => LocationId::anywhere(),
        false => LocationId::main(),
    });
    Some(Wanted {
        sku: sku?,
        location,
        quantity: quantity?,
    })
}

fn ttl_max(api: &Api) -> i64 {
    i64::try_from(api.settings.max_life.0).unwrap_or(i64::MAX)
}

fn place<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| {
        let id = fields.id_or_none("id", HoldId::new);
        if matches!(&id, Some(Some(id)) if id.is_reserved()) {
            fields.wrong("id", "bad_id");
        }
        let customer = customer(fields, &call);
        let asked = fields.list("lines", LINES_MAX, |one| line(one, api));
        let ttl = fields.integer_or_none("ttl_ms", TTL_MIN, ttl_max(api));
        let asked = asked?;
        let summed = sum(&asked);
        if summed.is_none() {
            fields.wrong("lines", "max");
        }
        let skus: Vec<SkuId> = asked.into_iter().map(|line| line.sku).collect();
        Some((id?, customer?, (skus, summed?), ttl?))
    })?;
    let (id, named, (skus, lines), ttl) = read.value;
    let writer = writer(&call, &read.canonical)?;
    Ok(Box::pin(async move {
        let customer = writer.customer(named)?;
        let made = || {
            writer
                .key
                .as_ref()
                .map(evenkeel_engine::commit::Key::made_hold_id)
        };
        let id = id
            .or_else(made)
            .ok_or_else(|| Problem::new(Code::KeyMissing))?;
        let ttl = ttl.map_or(api.settings.ttl, |ttl| Millis(ttl.unsigned_abs()));
        let command = Command::Place(Place {
            id,
            customer,
            lines,
            ttl,
        });
        let done = writer.ask(api, command).await;
        let named = Named {
            skus: &skus,
            ..Named::default()
        };
        changed(api, done, named).map(|answer| answer.status(StatusCode::CREATED))
    }))
}

/// The answer to a change of a hold.
fn changed(api: &Api, done: Result<Done, Refusal>, named: Named<'_>) -> Result<Answer, Problem> {
    let done = done.map_err(|refusal| api.refused(refusal, named))?;
    let Effect::Hold(row) = &done.effect else {
        return Err(Problem::new(Code::Internal));
    };
    let answer = Answer::json(&render::hold(row)).version(row.version);
    Ok(api.wrote(answer, (done.position, done.replayed)))
}

/// Asks for a change of the hold in the path.
fn change<'a>(
    api: &'a Api,
    call: &Call<'_>,
    writer: Writer,
    command: impl FnOnce(HoldId) -> Command + Send + 'a,
) -> Act<'a> {
    let id = call.known_id(HoldId::new);
    Box::pin(async move {
        let done = writer.ask(api, command(id?)).await;
        changed(api, done, Named::default())
    })
}

fn confirm<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| fields.list_or_none("lines", LINES_MAX, |one| line(one, api)))?;
    let writer = writer(&call, &read.canonical)?;
    let lines = read.value;
    Ok(change(api, &call, writer, move |id| Command::Confirm {
        id,
        lines,
    }))
}

fn release<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|_| Some(()))?;
    let writer = writer(&call, &read.canonical)?;
    Ok(change(api, &call, writer, |id| Command::Release { id }))
}

fn extend<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| fields.integer("ttl_ms", TTL_MIN, ttl_max(api)))?;
    let writer = writer(&call, &read.canonical)?;
    let ttl = Millis(read.value.unsigned_abs());
    Ok(change(api, &call, writer, move |id| Command::Extend {
        id,
        ttl,
    }))
}

fn show<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    let id = call.known_id(HoldId::new);
    let owner = call.caller.customer.clone();
    Ok(Box::pin(async move {
        let id = id?;
        let at = api.read(&wait, |store| store.hold(&id)).await?;
        let own = |customer: &CustomerId| owner.as_ref().is_none_or(|owner| owner == customer);
        let row = at.rows.filter(|row| own(&row.hold.customer));
        let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
        let answer = Answer::json(&render::hold(&row)).version(row.version);
        Ok(api.at(answer, at.position))
    }))
}

fn list<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let mut query = Query::new(call.query, call.route.doc.query);
    let customer = query.parameter("customer", "bad_id", |text| CustomerId::new(text).ok());
    let state = query.parameter("state", "enum", State::from_name);
    let sku = query.parameter("sku", "bad_id", |text| SkuId::new(text).ok());
    let limit = query.limit();
    let from = query.cursor("holds")?;
    query.finish()?;
    let wait = wait(call.headers)?;
    let own = call.caller.customer.clone();
    Ok(Box::pin(async move {
        let filter = HoldFilter {
            customer: orders::own(own, customer)?,
            state,
            sku,
        };
        page(api, &wait, &filter, (from, limit)).await
    }))
}

async fn page(
    api: &Api,
    wait: &Wait,
    filter: &HoldFilter,
    (from, limit): (Option<Spot>, usize),
) -> Result<Answer, Problem> {
    let mut before = from.map_or(u64::MAX, |spot| spot.position);
    let listed = api.listed(wait, Projection::Holds, |views| {
        views.holds(filter, before, limit + 1)
    });
    if let Some(mut at) = listed.await? {
        let more = at.rows.len() > limit;
        at.rows.truncate(limit);
        let last = at.rows.last().filter(|_| more);
        let next_cursor = last.map(|row| cursor("holds", Spot::at(row.created)));
        let items: Vec<_> = at.rows.iter().map(render::hold).collect();
        return Ok(api.at(
            Answer::json(&shapes::Page { items, next_cursor }),
            at.position,
        ));
    }
    api.reach(wait).await?;
    let (mut items, mut scanned, mut position, mut more) = (Vec::new(), 0, None, true);
    while more && items.len() < limit && scanned < SCAN_MAX {
        let step = SCAN_STEP.min(limit.max(SCAN_STEP / 10));
        let read = api.engine.store().holds(before, step).await;
        let at = read.map_err(|fault| refusal::of_read(&fault))?;
        position.get_or_insert(at.position);
        more = at.rows.len() == step;
        for row in at.rows {
            if items.len() == limit {
                more = true;
                break;
            }
            (before, scanned) = (row.created, scanned + 1);
            let fits = filter
                .customer
                .as_ref()
                .is_none_or(|one| *one == row.hold.customer)
                && filter.state.is_none_or(|state| state == row.hold.state)
                && filter
                    .sku
                    .as_ref()
                    .is_none_or(|sku| row.hold.lines.iter().any(|line| line.sku == *sku));
            if fits {
                items.push(render::hold(&row));
            }
        }
    }
    let next_cursor = more.then(|| cursor("holds", Spot::at(before)));
    let answer = Answer::json(&shapes::Page { items, next_cursor });
    Ok(api.at(answer, position.unwrap_or(0)))
}
