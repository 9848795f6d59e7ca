//! All routes: one file per kind of thing, each with its part of the table.

mod archive;
mod callbacks;
mod carts;
mod explain;
mod holds;
mod log;
mod orders;
mod pages;
mod parked;
mod payments;
mod private;
mod projections;
mod reviews;
mod sagas;
mod skus;
mod status;
mod stock;
mod subscriptions;
mod tokens;
mod verify;

use super::Api;
use super::call::{Call, Read};
use super::fields::Fields;
use super::head::{self, Expected};
use super::problem::{Code, Problem};
use super::route::Route;
use super::shapes::REASON_MAX;
#[cfg(any(test, feature = "fuzz"))]
pub(super) use callbacks::{money, parcel};
use evenkeel_engine::commit::{Command, Key};
use evenkeel_engine::{Done, Refusal, Request};
use evenkeel_rules::ids::CustomerId;
use evenkeel_rules::time::LogTime;
use evenkeel_rules::token::Token;
use std::sync::Arc;

/// Every route.
pub(super) fn all() -> impl Iterator<Item = &'static Route> {
    const PARTS: &[&[Route]] = &[
        explain::ROUTES,
        skus::ROUTES,
        stock::ROUTES,
        holds::ROUTES,
        carts::ROUTES,
        orders::ROUTES,
        payments::ROUTES,
        sagas::ROUTES,
        reviews::ROUTES,
        subscriptions::ROUTES,
        parked::ROUTES,
        callbacks::ROUTES,
        private::ROUTES,
        projections::ROUTES,
        log::ROUTES,
        archive::ROUTES,
        status::ROUTES,
        verify::ROUTES,
        tokens::ROUTES,
        pages::ROUTES,
    ];
    PARTS.iter().copied().flatten()
}

/// Who asks for a write, and how: all that does not depend on what is asked.
pub(super) struct Writer {
    key: Option<Key>,
    caller: Arc<Token>,
    expected: Expected,
    deadline: Option<LogTime>,
}

/// Reads a body that is no more than a reason, which it must have.
///
/// # Errors
/// 422 without one.
pub(super) fn reason(call: &Call<'_>) -> Result<Read<String>, Problem> {
    call.read(|fields| {
        let reason = fields.text("reason", REASON_MAX as usize)?;
        Some(reason.to_owned())
    })
}

/// Reads the customer that a body names. Who acts for no customer must name one.
pub(super) fn customer(fields: &mut Fields<'_, '_>, call: &Call<'_>) -> Option<Option<CustomerId>> {
    let must_name = call.caller.customer.is_none() && call.route.admits(call.caller.role);
    let customer = fields.id_or_none("customer", CustomerId::new);
    if must_name && customer == Some(None) {
        fields.wrong("customer", "required");
    }
    customer
}

/// Reads what a write says in its head; `canonical` is the body's one form.
///
/// # Errors
/// 422 for an `If-Match` or a deadline that is none.
pub(super) fn writer(call: &Call<'_>, canonical: &[u8]) -> Result<Writer, Problem> {
    let intent = [
        call.route.method.as_str().as_bytes(),
        call.route.pattern.as_bytes(),
        call.segment.as_bytes(),
        canonical,
    ];
    let key = call
        .key
        .map(|key| Key::new(call.caller.customer.as_ref(), key, &intent));
    Ok(Writer {
        key,
        caller: Arc::clone(call.caller),
        expected: head::if_match(call.headers)?,
        deadline: head::deadline(call.headers)?,
    })
}

impl Writer {
    /// The customer whose things the caller may touch; nothing means every customer's.
    fn owner(&self) -> Option<CustomerId> {
        self.caller.customer.clone()
    }

    /// The customer for whom something is made: the caller's own, or the one that the body names.
    ///
    /// # Errors
    /// 403 for a buyer that names one, and where there is none.
    fn customer(&self, named: Option<CustomerId>) -> Result<CustomerId, Problem> {
        let own = self.owner();
        if own.is_some() && named.is_some() {
            return Err(Problem::new(Code::Forbidden)
                .detail("A buyer's token says who the customer is; the body must not."));
        }
        own.or(named).ok_or_else(|| Problem::new(Code::Forbidden))
    }

    /// The same without its key, for what takes several commits and is idempotent by itself.
    fn keyless(self) -> Self {
        Self { key: None, ..self }
    }

    /// Asks the engine for a change.
    ///
    /// # Errors
    /// The engine's refusal.
    fn ask<'a>(
        &self,
        api: &'a Api,
        command: Command,
    ) -> impl Future<Output = Result<Done, Refusal>> + Send + use<'a> {
        let owner = self.owner();
        let expected = match self.expected {
            Expected::Anything | Expected::Existing => None,
            Expected::Version(version) => Some(version),
        };
        let request = Request {
            command,
            key: self.key,
            actor: self.caller.id.clone(),
            owner,
            expected,
            deadline: self.deadline,
        };
        api.engine.execute(request)
    }
}
