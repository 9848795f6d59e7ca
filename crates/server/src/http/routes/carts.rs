//! Carts: begin one, look at it, set its lines, make it an order.

use super::orders::{self, Left, pay_by};
use super::{Writer, customer, writer};
use crate::http::call::{Act, Answer, Call};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Query, decode};
use crate::http::reads::wait;
use crate::http::refusal::Named;
use crate::http::route::{Doc, READING, Route, SELLING, Who};
use crate::http::{Api, refusal, render, shapes};
use evenkeel_engine::commit::{Command, Effect, Key};
use evenkeel_engine::{Done, Refusal};
use evenkeel_rules::cart::Set;
use evenkeel_rules::ids::{CartId, CustomerId, OrderId, SkuId};
use evenkeel_rules::quantity::{MAX, Quantity};
use http::{Method, StatusCode};
use schemars::SchemaGenerator;

const LINE: &[Code] = &[
    Code::NotFound,
    Code::Version,
    Code::CheckedOut,
    Code::SkuUnknown,
    Code::AlreadyExists,
    Code::LimitExceeded,
    Code::SaleNotOpen,
    Code::LimitCustomer,
    Code::SoldOut,
    Code::HoldConfirmed,
    Code::HoldConfirming,
    Code::HoldExpired,
];

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: Method::POST,
        pattern: "/v1/carts",
        who: Who::Roles(SELLING),
        prepare: begin,
        doc: Doc {
            summary: "Begins a cart.",
            request: Some(SchemaGenerator::subschema_for::<shapes::BeginCart>),
            answers: &[(201, Some(SchemaGenerator::subschema_for::<shapes::Cart>))],
            query: &[],
            problems: &[Code::AlreadyExists],
        },
    },
    Route {
        method: Method::GET,
        pattern: "/v1/carts/{id}",
        who: Who::Roles(READING),
        prepare: show,
        doc: Doc {
            summary: "Shows a cart, and which of its lines were lost.",
            request: None,
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Cart>))],
            query: &[],
            problems: &[Code::NotFound],
        },
    },
    Route {
        method: Method::PUT,
        pattern: "/v1/carts/{id}/lines/{sku}",
        who: Who::Roles(SELLING),
        prepare: set,
        doc: Doc {
            summary: "Sets a line of a cart and its hold, together or not at all, and moves the \
                      deadlines of all its lines; 0 units take the line out.",
            request: Some(SchemaGenerator::subschema_for::<shapes::SetLine>),
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Cart>))],
            query: &[],
            problems: LINE,
        },
    },
    Route {
        method: Method::DELETE,
        pattern: "/v1/carts/{id}/lines/{sku}",
        who: Who::Roles(SELLING),
        prepare: take_out,
        doc: Doc {
            summary: "Takes a line out of a cart; its units go back.",
            request: None,
            answers: &[(200, Some(SchemaGenerator::subschema_for::<shapes::Cart>))],
            query: &[],
            problems: &[Code::NotFound, Code::Version, Code::CheckedOut],
        },
    },
    Route {
        method: Method::POST,
        pattern: "/v1/carts/{id}/checkout",
        who: Who::Roles(SELLING),
        prepare: check_out,
        doc: Doc {
            summary: "Makes an order of a cart: its units move to the order in one commit, at \
                      the prices that the cart shows.",
            request: Some(SchemaGenerator::subschema_for::<shapes::CheckOut>),
            answers: &[(201, Some(SchemaGenerator::subschema_for::<shapes::Order>))],
            query: &[],
            problems: &[
                Code::NotFound,
                Code::Version,
                Code::CheckedOut,
                Code::LineLost,
                Code::AlreadyExists,
                Code::PriceChanged,
                Code::LimitCustomer,
            ],
        },
    },
];

fn begin<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| {
        let id = fields.id_or_none("id", CartId::new);
        let customer = customer(fields, &call);
        Some((id?, customer?))
    })?;
    let (id, named) = read.value;
    let writer = writer(&call, &read.canonical)?;
    Ok(Box::pin(async move {
        let customer = writer.customer(named)?;
        let id = id.or(writer.key.as_ref().map(Key::made_cart_id));
        let id = id.ok_or_else(|| Problem::new(Code::KeyMissing))?;
        let done = writer.ask(api, Command::BeginCart { id, customer }).await;
        Ok(changed(api, done)?.status(StatusCode::CREATED))
    }))
}

/// The answer to a change of a cart.
fn changed(api: &Api, done: Result<Done, Refusal>) -> Result<Answer, Problem> {
    let done = done.map_err(|refusal| api.refused(refusal, Named::default()))?;
    let Effect::Cart(row) = &done.effect else {
        return Err(Problem::new(Code::Internal));
    };
    let answer = Answer::json(&render::cart(row)).version(row.version);
    Ok(api.wrote(answer, (done.position, done.replayed)))
}

fn show<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    Query::new(call.query, &[]).finish()?;
    let wait = wait(call.headers)?;
    let id = call.known_id(CartId::new);
    let owner = call.caller.customer.clone();
    Ok(Box::pin(async move {
        let id = id?;
        api.reach(&wait).await?;
        let store = api.engine.store();
        let told = |fault| refusal::of_read(&fault);
        let at = store.cart(&id).await.map_err(told)?;
        let own = |customer: &CustomerId| owner.as_ref().is_none_or(|owner| owner == customer);
        let row = at.rows.filter(|row| own(&row.body.customer));
        let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
        let mut holds = Vec::with_capacity(row.body.lines.len());
        for id in row.body.holds() {
            let read = store.hold(&id).await.map_err(told)?;
            holds.push(read.rows.map(|row| row.hold));
        }
        let now = store.head().await.map_err(told)?.time;
        let answer = Answer::json(&render::cart_now(&row, &holds, now)).version(row.version);
        Ok(api.at(answer, at.position))
    }))
}

/// The cart and the SKU in the path.
fn line_of(call: &Call<'_>) -> Option<(CartId, SkuId)> {
    let (cart, sku) = call.segment.split_once("/lines/")?;
    let cart = CartId::new(&decode(cart, false)?).ok()?;
    Some((cart, SkuId::new(&decode(sku, false)?).ok()?))
}

/// Asks for a change of the line in the path.
fn change<'a>(
    api: &'a Api,
    call: &Call<'_>,
    writer: Writer,
    quantity: Option<Quantity>,
) -> Act<'a> {
    let named = line_of(call).ok_or_else(|| Problem::new(Code::NotFound));
    Box::pin(async move {
        let (id, sku) = named?;
        let ttl = api.settings.ttl;
        let line = Set { sku, quantity, ttl };
        let done = writer.ask(api, Command::SetLine { id, line }).await;
        changed(api, done)
    })
}

fn set<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let most = i64::try_from(MAX).expect("2^53-1 is an i64");
    let named = line_of(&call).is_some();
    let read = call.read(|fields| {
        if !named {
            fields.wrong_path("bad_id");
        }
        fields.integer("quantity", 0, most)
    })?;
    let writer = writer(&call, &read.canonical)?;
    let quantity = Quantity::new(read.value.unsigned_abs()).ok();
    Ok(change(api, &call, writer, quantity))
}

fn take_out<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let writer = writer(&call, b"")?;
    Ok(change(api, &call, writer, None))
}

fn check_out<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| {
        let id = fields.id_or_none("id", OrderId::new);
        let pay = pay_by(fields);
        Some((id?, pay?))
    })?;
    let (order, (method, private)) = read.value;
    let writer = writer(&call, &read.canonical)?;
    let id = call.known_id(CartId::new);
    Ok(Box::pin(async move {
        let order = order.or(writer.key.as_ref().map(Key::made_order_id));
        let command = Command::CheckOut {
            id: id?,
            order: order.ok_or_else(|| Problem::new(Code::KeyMissing))?,
            method,
            confirming: api.settings.confirming,
            private,
        };
        let done = writer.ask(api, command).await;
        let left = Left::of(api, done, Named::default())?;
        orders::taken(api, left).await
    }))
}
