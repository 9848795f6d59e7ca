//! What is asked of an order that was taken: its end, money back, units back.

use super::Left;
use crate::http::call::{Act, Answer, Call};
use crate::http::fields::Fields;
use crate::http::problem::{Code, Problem};
use crate::http::refusal::Named;
use crate::http::routes::writer;
use crate::http::shapes::REASON_MAX;
use crate::http::{Api, render};
use evenkeel_engine::commit::{Command, Key};
use evenkeel_rules::hold::LINES_MAX;
use evenkeel_rules::ids::{OrderId, RefundId, SkuId};
use evenkeel_rules::order::{ReturnLine, Status};
use http::StatusCode;

pub(super) fn cancel<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| {
        let reason = fields.text_or_none("reason", REASON_MAX as usize)?;
        Some(reason.map(str::to_owned))
    })?;
    let writer = writer(&call, &read.canonical)?;
    let id = call.known_id(OrderId::new);
    let reason = read.value;
    Ok(Box::pin(async move {
        let command = Command::CancelOrder { id: id?, reason };
        let done = writer.ask(api, command).await;
        let left = Left::of(api, done, Named::default())?;
        let status = if left.row.body.status == Status::Cancelled {
            StatusCode::OK
        } else {
            StatusCode::ACCEPTED
        };
        Ok(left.order(api).await?.status(status))
    }))
}

pub(super) fn refund<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| {
        let id = fields.id_or_none("id", RefundId::new);
        let amount = fields.money_or_none("amount", 1);
        let reason = fields.text("reason", REASON_MAX as usize);
        Some((id?, amount?, reason?.to_owned()))
    })?;
    let (refund, amount, reason) = read.value;
    let writer = writer(&call, &read.canonical)?;
    let id = call.known_id(OrderId::new);
    Ok(Box::pin(async move {
        let refund = refund.or(writer.key.as_ref().map(Key::made_refund_id));
        let refund = refund.ok_or_else(|| Problem::new(Code::KeyMissing))?;
        let command = Command::RefundOrder {
            id: id?,
            refund: refund.clone(),
            amount,
            reason: Some(reason),
        };
        let named = Named {
            money: "/amount",
            ..Named::default()
        };
        let left = Left::of(api, writer.ask(api, command).await, named)?;
        let order = &left.row.body;
        let made = order.refunds.iter().find(|made| made.id == refund);
        let made = made.ok_or_else(|| Problem::new(Code::Internal))?;
        let answer = Answer::json(&render::refund(order, made));
        Ok(left.told(api, answer).status(StatusCode::CREATED))
    }))
}

fn line(line: &mut Fields<'_, '_>) -> Option<ReturnLine> {
    let sku = line.id("sku", SkuId::new);
    let quantity = line.quantity("quantity");
    Some(ReturnLine {
        sku: sku?,
        quantity: quantity?,
    })
}

pub(super) fn take_back<'a>(api: &'a Api, call: Call<'a>) -> Result<Act<'a>, Problem> {
    let read = call.read(|fields| {
        let lines = fields.list("lines", LINES_MAX, line);
        let restock = fields.flag("restock");
        Some((lines?, restock?))
    })?;
    let (lines, restock) = read.value;
    let writer = writer(&call, &read.canonical)?;
    let id = call.known_id(OrderId::new);
    Ok(Box::pin(async move {
        let command = Command::ReturnOrder {
            id: id?,
            lines,
            restock,
        };
        let done = writer.ask(api, command).await;
        let left = Left::of(api, done, Named::default())?;
        Ok(left.order(api).await?.status(StatusCode::CREATED))
    }))
}
