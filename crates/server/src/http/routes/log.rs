//! The log as it stands, and the audit: the moves of it, by SKU and by what they refer to.
//!
//! Both ascend. The audit is read from its projection; where there is none, or it is to be
//! immediate, it is a bounded walk of the log: an answer looks at no more than [`SCAN_MAX`]
//! positions, so its items may be few or none while `next_cursor` goes on.

use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Query, Spot, cursor};
use crate::http::reads::{Wait, wait};
use crate::http::route::{Doc, Route, WATCHING, Who};
use crate::http::{Api, refusal, shapes, time};
use evenkeel_engine::chain::{Entry, Hash, hex, origin};
use evenkeel_engine::port::{At, AuditFilter, AuditRow, Fault, LogRow, Projection};
use evenkeel_rules::ids::{OrderId, Reference, SkuId};
use evenkeel_rules::stock::Move;
use http::Method;
use schemars::SchemaGenerator;

/// Positions that one answer looks at.
const SCAN_MAX: u64 = 10_000;
/// Rows that are read at once.
const SCAN_STEP: usize = 500;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::GET,
        pattern: "/v1/log",
        who: Who::Roles(WATCHING),
        prepare: log,
        doc: Doc {
            summary: "Shows the log from a position on. With proof=true each entry has the text \
                      that was hashed and the hash before it, so that anybody can check the chain.",
            request: None,
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::LogPage>))],
            query: &["from", "limit", "cursor", "proof"],
            problems: &[Code::BadCursor],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/audit",
        who: Who::Roles(WATCHING),
        prepare: audit,
        doc: Doc {
            summary: "Shows every move of stock, by SKU and by what it was done for. Items may \
                      be empty while next_cursor goes on.",
            request: None,
            answers: &[(
                200,
                Some(SchemaGenerator::subschema_for::<shapes::Page<shapes::AuditEntry>>),
            )],
            query: &["sku", "ref", "from", "limit", "cursor"],
            problems: &[Code::BadCursor],
        },
    },
];

fn log<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let mut query = Query::new(call.query, call.route.doc.query);
    let (from, limit) = (query.from(), query.limit());
    let proof = query.parameter("proof", "type", |text| text.parse().ok());
    let proves = proof.unwrap_or(false);
    let spot = query.cursor("log")?;
    query.finish()?;
    let wait = wait(call.headers)?;
    Ok(Box::pin(async move {
        api.reach(&wait).await?;
        let start = spot.map_or(from.unwrap_or(1), |spot| spot.position).max(1);
        let read = page(api, start, limit, proves).await;
        let (items, position) = read.map_err(|fault| refusal::of_read(&fault))?;
        let last = items
            .last()
            .map(|row| row.position)
            .filter(|last| *last < position);
        let next_cursor = last.map(|last| cursor("log", Spot::at(last + 1)));
        let head = api.engine.position(position).to_string();
        let page = shapes::LogPage {
            head,
            items,
            next_cursor,
        };
        Ok(api.at(Answer::json(&page), position))
    }))
}

/// Entries from a position on, and the head's position when they were read.
async fn page(
    api: &Api,
    start: u64,
    limit: usize,
    proves: bool,
) -> Result<(Vec<shapes::LogRow>, u64), Fault> {
    let store = api.engine.store();
    if !proves {
        let at = store.log(start, limit).await?;
        let items: Result<_, Fault> = at.rows.iter().map(shown).collect();
        return Ok((items?, at.position));
    }
    // The first entry's proof needs the hash of the row before it.
    let at = store.log(start.max(2) - 1, limit + 1).await?;
    let mut rows = at.rows.as_slice();
    let mut before = match rows.split_first() {
        Some((first, rest)) if first.position < start => {
            rows = rest;
            first.hash
        }
        Some(_) | None => {
            let head = store.head().await?;
            origin(&head.log, &head.salt)
        }
    };
    let mut items = Vec::with_capacity(rows.len());
    for row in rows.iter().take(limit) {
        items.push(proved(row, &before)?);
        before = row.hash;
    }
    Ok((items, at.position))
}

/// An entry with what its hash is made of.
fn proved(row: &LogRow, before: &Hash) -> Result<shapes::LogRow, Fault> {
    let text = String::from_utf8(row.text.clone());
    let text = text.map_err(|error| Fault::Corrupt(error.to_string()))?;
    Ok(shapes::LogRow {
        previous_hash: Some(hex(before)),
        text: Some(text),
        ..shown(row)?
    })
}

fn shown(row: &LogRow) -> Result<shapes::LogRow, Fault> {
    let entry = Entry::read(&row.text).map_err(Fault::Corrupt)?;
    let events = entry
        .events
        .into_iter()
        .enumerate()
        .map(|(index, event)| shapes::LogEvent {
            index,
            stream: event.stream,
            version: event.version,
            kind: event.kind.name(),
            data: event.data,
        });
    let moves = entry.moves.iter().map(|entry| shapes::LogMove {
        operation: entry.operation.word(),
        sku: entry.sku.as_str().to_owned(),
        location: entry.location.as_str().to_owned(),
        quantity: entry.quantity.get(),
        reference: entry.reference.as_str().to_owned(),
    });
    Ok(shapes::LogRow {
        position: row.position,
        at: time::text(entry.at),
        hash: hex(&row.hash),
        previous_hash: None,
        text: None,
        cause: shapes::Cause {
            kind: entry.cause.kind,
            id: entry.cause.id,
        },
        actor: entry.actor,
        events: events.collect(),
        moves: moves.collect(),
    })
}

/// Whether an audit shows a move.
fn fits(filter: &AuditFilter, made: &Move) -> bool {
    let references = filter.references.as_ref();
    filter.sku.as_ref().is_none_or(|sku| *sku == made.sku)
        && references.is_none_or(|references| references.contains(&made.reference))
}

fn audit<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let mut query = Query::new(call.query, call.route.doc.query);
    let sku = query.parameter("sku", "bad_id", |text| SkuId::new(text).ok());
    let reference = query.parameter("ref", "bad_id", |text| Reference::new(text).ok());
    let (from, limit) = (query.from(), query.limit());
    let spot = query.cursor("audit")?;
    query.finish()?;
    let wait = wait(call.headers)?;
    let start = spot.unwrap_or(Spot::at(from.unwrap_or(1).max(1)));
    Ok(Box::pin(async move {
        let references = match reference {
            Some(reference) => Some(references(api, reference).await?),
            None => None,
        };
        let filter = AuditFilter { sku, references };
        let from = (start.position, start.index);
        let listed = api.listed(&wait, Projection::Audit, |views| {
            views.audit(&filter, from, limit + 1)
        });
        match listed.await? {
            Some(at) => Ok(audit_page(api, at, limit)),
            None => walk(api, &wait, &filter, (start, limit)).await,
        }
    }))
}

/// What the moves of a reference refer to: an order's refer to its holds.
async fn references(api: &Api, reference: Reference) -> Result<Vec<Reference>, Problem> {
    let id = OrderId::new(reference.as_str()).map_err(|_| Problem::new(Code::Internal))?;
    let order = api.engine.store().order(&id).await;
    let order = order.map_err(|fault| refusal::of_read(&fault))?.rows;
    let holds = order.into_iter().flat_map(|row| row.body.holds);
    let holds = holds.map(|hold| Reference::from(&hold));
    Ok(std::iter::once(reference).chain(holds).collect())
}

/// A page of the audit as the projection has it.
fn audit_page(api: &Api, mut at: At<Vec<AuditRow>>, limit: usize) -> Answer {
    let next = at.rows.get(limit).map(|row| Spot {
        position: row.position,
        index: row.index,
    });
    at.rows.truncate(limit);
    let next_cursor = next.map(|next| cursor("audit", next));
    let items: Vec<_> = at.rows.iter().map(audited).collect();
    api.at(
        Answer::json(&shapes::Page { items, next_cursor }),
        at.position,
    )
}

fn audited(row: &AuditRow) -> shapes::AuditEntry {
    let made = &row.made;
    let (from, to) = made.operation.accounts();
    shapes::AuditEntry {
        position: row.position,
        index: usize::try_from(row.index).expect("a row's moves are counted in memory"),
        at: time::text(row.at),
        sku: made.sku.as_str().to_owned(),
        location: made.location.as_str().to_owned(),
        operation: made.operation.word(),
        from: from.name(),
        to: to.name(),
        quantity: made.quantity.get(),
        reference: made.reference.as_str().to_owned(),
    }
}

async fn walk(
    api: &Api,
    wait: &Wait,
    filter: &AuditFilter,
    (start, limit): (Spot, usize),
) -> Result<Answer, Problem> {
    api.reach(wait).await?;
    let end = start.position.saturating_add(SCAN_MAX);
    let (mut next, mut items) = (start, Vec::new());
    let position = loop {
        let read = api.engine.store().log(next.position, SCAN_STEP).await;
        let at = read.map_err(|fault| refusal::of_read(&fault))?;
        for row in &at.rows {
            next = take(row, filter, next, (&mut items, limit))
                .map_err(|fault| refusal::of_read(&fault))?;
            if items.len() == limit || next.position >= end {
                break;
            }
        }
        if at.rows.is_empty() || items.len() == limit || next.position >= end {
            break at.position;
        }
    };
    let more = next.position <= position;
    let next_cursor = more.then(|| cursor("audit", next));
    Ok(api.at(Answer::json(&shapes::Page { items, next_cursor }), position))
}

/// Takes the moves of one row, from `spot` on; says where to go on.
fn take(
    row: &LogRow,
    filter: &AuditFilter,
    spot: Spot,
    (items, limit): (&mut Vec<shapes::AuditEntry>, usize),
) -> Result<Spot, Fault> {
    let entry = Entry::read(&row.text).map_err(Fault::Corrupt)?;
    let begin = if row.position == spot.position {
        spot.index
    } else {
        0
    };
    for (index, one) in (0_u64..).zip(&entry.moves) {
        if index < begin || !fits(filter, one) {
            continue;
        }
        if items.len() == limit {
            return Ok(Spot {
                position: row.position,
                index,
            });
        }
        items.push(audited(&AuditRow {
            position: row.position,
            index,
            at: entry.at,
            made: one.clone(),
        }));
    }
    Ok(Spot::at(row.position + 1))
}
