//! Taking an order.

use super::Left;
use crate::http::Api;
use crate::http::call::{Act, Answer, Call};
use crate::http::fields::Fields;
use crate::http::json::{self, Value};
use crate::http::problem::{Code, Problem};
use crate::http::refusal::Named;
use crate::http::routes::holds::line;
use crate::http::routes::{customer, writer};
use crate::http::shapes::{ADJUSTMENTS_MAX, METHOD_MAX, TOKEN_MAX};
use evenkeel_engine::commit::{Command, Key};
use evenkeel_engine::saga::Secret;
use evenkeel_rules::hold::{LINES_MAX, Wanted, sum};
use evenkeel_rules::ids::{CustomerId, HoldId, OrderId, SkuId};
use evenkeel_rules::money::{AMOUNT_MAX, Money};
use evenkeel_rules::order::{Adjustment, AdjustmentKind, Ask};
use http::StatusCode;

/// Most bytes of an address, written without spaces.
const ADDRESS_MAX: usize = 8 * 1024;

/// What a body asks for.
struct Wish {
    id: Option<OrderId>,
    customer: Option<CustomerId>,
    /// Of the lines as they were named.
    skus: Vec<SkuId>,
    lines: Vec<Wanted>,
    hold: Option<HoldId>,
    method: String,
    private: String,
    expected_total: Option<Money>,
    adjustments: Option<Vec<Adjustment>>,
}

pub(super) fn take<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| wish(api, fields, &call))?;
    let wish = read.value;
    let writer = writer(&call, &read.canonical)?;
    Ok(Box::pin(async move {
        let customer = writer.customer(wish.customer)?;
        if writer.owner().is_some() && wish.adjustments.is_some() {
            return Err(Problem::new(Code::Forbidden)
                .detail("A buyer cannot adjust what an order costs; the shop can."));
        }
        let id = wish.id.or(writer.key.as_ref().map(Key::made_order_id));
        let ask = Ask {
            id: id.ok_or_else(|| Problem::new(Code::KeyMissing))?,
            customer,
            lines: wish.lines,
            hold: wish.hold,
            method: wish.method,
            expected_total: wish.expected_total,
            adjustments: wish.adjustments.unwrap_or_default(),
            confirming: api.settings.confirming,
        };
        let named = Named {
            skus: &wish.skus,
            money: "/expected_total",
            total: match ask.adjustments.is_empty() {
                true => "/lines",
                false => "/adjustments",
            },
        };
        let command = Command::TakeOrder {
            ask: Box::new(ask),
            private: wish.private,
        };
        let left = Left::of(api, writer.ask(api, command).await, named)?;
        taken(api, left).await
    }))
}

/// 201 with the order that was taken.
pub(in crate::http::routes) async fn taken(api: &Api, left: Left) -> Result<Answer, Problem> {
    let answer = left.order(api).await?;
    Ok(answer.status(StatusCode::CREATED))
}

fn wish(api: &Api, fields: &mut Fields<'_, '_>, call: &Call<'_>) -> Option<Wish> {
    let id = fields.id_or_none("id", OrderId::new);
    let customer = customer(fields, call);
    let asked = fields.list("lines", LINES_MAX, |one| line(one, api));
    let hold = fields.id_or_none("hold", HoldId::new);
    let pay = pay_by(fields);
    let expected_total = fields.money_or_none("expected_total", 0);
    let adjustments = fields.list_or_none("adjustments", ADJUSTMENTS_MAX as usize, adjustment);
    let asked = asked?;
    let lines = sum(&asked);
    if lines.is_none() {
        fields.wrong("lines", "max");
    }
    let (method, private) = pay?;
    Some(Wish {
        id: id?,
        customer: customer?,
        skus: asked.into_iter().map(|line| line.sku).collect(),
        lines: lines?,
        hold: hold?,
        method,
        private,
        expected_total: expected_total?,
        adjustments: adjustments?,
    })
}

/// How it is paid for, and what only providers may see: `payment` and `address`.
pub(in crate::http::routes) fn pay_by(fields: &mut Fields<'_, '_>) -> Option<(String, String)> {
    let payment = fields.object("payment", payment);
    let address = fields.optional("address", address);
    let (method, token) = payment?;
    let secret = Secret {
        token,
        address: address?,
    };
    let private = serde_json::to_string(&secret).expect("what was JSON is JSON");
    Some((method, private))
}

/// How it is paid for. The method is part of the log, so it is a word and not a text.
fn payment(fields: &mut Fields<'_, '_>) -> Option<(String, String)> {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-');
    let word = |text: &str| {
        let fits = (1..=METHOD_MAX as usize).contains(&text.len()) && text.bytes().all(plain);
        fits.then(|| text.to_owned())
    };
    let method = fields.name("method", word);
    let token = fields.text("token", TOKEN_MAX as usize);
    Some((method?, token?.to_owned()))
}

/// An object of any members, within bounds.
fn address(value: &Value<'_>) -> Result<serde_json::Value, &'static str> {
    let Value::Object(_) = value else {
        return Err("type");
    };
    let mut text = Vec::new();
    json::canonical(value, &mut text);
    if text.len() > ADDRESS_MAX {
        return Err("max");
    }
    // A number beyond every float is JSON, and nothing that could be kept.
    serde_json::from_slice(&text).map_err(|_| "range")
}

fn adjustment(fields: &mut Fields<'_, '_>) -> Option<Adjustment> {
    let named = |text: &str| {
        let mut kinds = AdjustmentKind::ALL.into_iter();
        kinds.find(|kind| kind.name() == text)
    };
    let kind = fields.name("kind", named);
    let amount = fields.integer("amount", -AMOUNT_MAX, AMOUNT_MAX);
    Some(Adjustment {
        kind: kind?,
        amount: amount?,
    })
}
