//! Every problem document that can leave this server.
//!
//! The catalogue below is the one list of problem codes: status, title, whether the very same
//! request may be sent again, and a sentence for `/docs/errors/<code>`. A [`Problem`] is one of
//! them with what is particular to a request, rendered by RFC 9457 as `application/problem+json`.
//! Internal detail has no path into a document: `detail` is a sentence of ours, never the text of
//! a fault, and never repeats what the client sent.

use super::json::quoted;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// What a code says, the same for every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// The stable code, the last part of `type`.
    pub(crate) code: &'static str,
    /// HTTP status.
    pub(crate) status: u16,
    /// A few words for people.
    pub(crate) title: &'static str,
    /// Whether the same request with the same key is safe to repeat and may end otherwise.
    pub(crate) retryable: bool,
    /// What it means and what to do, for the page of this code.
    pub(crate) help: &'static str,
}

macro_rules! catalogue {
    ($($name:ident $status:literal $code:literal $title:literal $retryable:ident $help:literal;)*)
    => {
        /// A problem code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Code {
            $(#[doc = $help] $name,)*
        }

        impl Code {
            /// Every code, by status.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];

            /// What the code says.
            pub(crate) const fn meaning(self) -> Meaning {
                match self {
                    $(Self::$name => Meaning {
                        code: $code,
                        status: $status,
                        title: $title,
                        retryable: catalogue!(@ $retryable),
                        help: $help,
                    },)*
                }
            }
        }
    };
    (@ again) => { true };
    (@ never) => { false };
}

catalogue! {
    MalformedJson 400 "malformed_json" "Malformed JSON" never
        "The body is empty or is not one JSON value.";
    DuplicateMember 400 "duplicate_member" "Duplicate member" never
        "An object in the body names a member twice, so its meaning is not certain.";
    TooDeep 400 "too_deep" "Too deep" never
        "The body nests objects and lists more than 32 deep.";
    BadKey 400 "bad_key" "Bad idempotency key" never
        "An Idempotency-Key is one header of 1 to 255 visible ASCII characters, quoted or not.";
    KeyMissing 400 "key_missing" "Idempotency key missing" never
        "A POST needs an Idempotency-Key header, so that a repeat has no second effect.";
    BadCursor 400 "bad_cursor" "Bad cursor" never
        "The cursor was not given out by this list; begin again without one.";
    BadText 400 "bad_text" "Unreadable request" never
        "The request is not HTTP that can be read with one meaning, or its text holds bytes that \
         are not UTF-8, a lone surrogate or a NUL.";
    Unauthenticated 401 "unauthenticated" "No valid token" never
        "Send a live token as Authorization: Bearer ek_...";
    Stale 401 "stale" "Stale signature" never
        "The signature's time is more than 300 seconds off.";
    Forbidden 403 "forbidden" "Forbidden" never
        "The token's role may not do this.";
    NotFound 404 "not_found" "Not found" never
        "There is no such route, or no such thing that this token may see.";
    SkuUnknown 404 "sku_unknown" "Unknown SKU" never
        "A SKU that the request names is not in the catalogue.";
    MethodNotAllowed 405 "method_not_allowed" "Method not allowed" never
        "The route exists, but not with this method; Allow lists those it has.";
    NotAcceptable 406 "not_acceptable" "Not acceptable" never
        "The answer is application/json, which the Accept header rules out.";
    RequestTimeout 408 "request_timeout" "Request time-out" again
        "The request did not arrive in time: 10 s for its head, 30 s for its body.";
    SoldOut 409 "stock.sold_out" "Sold out" again
        "Fewer units are available than were asked for. Units come back when a hold ends.";
    Insufficient 409 "stock.insufficient" "Too few units" never
        "The adjustment takes more units than are available.";
    HoldExpired 409 "hold.expired" "The hold has expired" never
        "The hold ended at its deadline; place a new one.";
    HoldReleased 409 "hold.released" "The hold was released" never
        "The hold was given back before; place a new one.";
    HoldConfirmed 409 "hold.confirmed" "The hold is confirmed" never
        "The hold was confirmed before; its units are sold.";
    HoldConfirming 409 "hold.confirming" "The hold is being confirmed" again
        "Money is being moved for this hold; ask again for how it ended.";
    IllegalTransition 409 "order.illegal_transition" "Illegal transition" never
        "The order's state does not allow this.";
    PaymentDeclined 409 "payment.declined" "Payment declined" never
        "The payment provider refused; the order is cancelled.";
    PriceChanged 409 "price_changed" "The price has changed" never
        "The expected total differs from the server's total.";
    ExceedsRefundable 409 "exceeds_refundable" "More than can be refunded" never
        "The refund is more than what was captured and not refunded yet.";
    LineLost 409 "cart.line_lost" "A line was lost" never
        "A line's hold ended; put the line again.";
    CheckedOut 409 "cart.checked_out" "The cart is checked out" never
        "The cart became an order and no longer changes.";
    LimitCustomer 409 "limit.customer" "Over the customer's limit" again
        "The customer would have more units of a SKU, held and sold together, than one customer \
         may have, or more live holds. Both come down when a hold ends; units also when an order \
         is cancelled or they are returned.";
    SaleNotOpen 409 "sale.not_open" "The sale is not open" again
        "The SKU has a sale window, and it is not open now.";
    Overflow 409 "overflow" "Too many units" never
        "An account would pass 9007199254740991 units.";
    AlreadyExists 409 "already_exists" "The id is in use" never
        "The id was used under another key.";
    InFlight 409 "in_flight" "Still running" again
        "A request with this key is still running; the same request later gives its answer.";
    TokenUnknown 409 "token_unknown" "Unknown position" never
        "The position token is of another log, or of a future that a restore took back.";
    DriftChanged 409 "drift_changed" "The world moved" never
        "What the repair was planned on no longer holds; plan again.";
    Version 412 "version" "Another version" never
        "The version in If-Match is not the one that stands; read again.";
    TooLarge 413 "too_large" "Body too large" never
        "A body has at most 1 MiB.";
    UriTooLong 414 "uri_too_long" "URI too long" never
        "A request's URI has at most 8 KiB.";
    MediaType 415 "media_type" "Unsupported media type" never
        "Bodies are application/json in UTF-8.";
    Schema 422 "schema" "The request does not fit" never
        "The violations name each member that does not fit and why.";
    UnknownMember 422 "unknown_member" "Unknown member" never
        "The body has members that this route does not take; nothing is ignored silently.";
    KeyReused 422 "key_reused" "Key used for another request" never
        "The Idempotency-Key was used for another route or body; use a new key.";
    LimitExceeded 422 "limit_exceeded" "Over the limit" never
        "A line asks for more units than the SKU allows in one hold or order.";
    BadId 422 "bad_id" "Bad id" never
        "An id is 1 to 128 of A-Z a-z 0-9 . _ : ~ - and begins with a letter or digit; a SKU has \
         at most 60.";
    RateLimited 429 "rate_limited" "Too many requests" again
        "The limit for this token or address is used up; Retry-After says when to go on.";
    HeadersTooLarge 431 "headers_too_large" "Headers too large" never
        "A request has at most 100 header fields of 64 KiB together.";
    Internal 500 "internal" "Internal error" never
        "A defect of the server; it was logged.";
    Unavailable 503 "unavailable" "Unavailable" again
        "A definite no: nothing was done. Send the same request again after Retry-After.";
    NotYet 503 "not_yet" "Not there yet" again
        "The position asked for was not reached within Evenkeel-Wait.";
    OutcomeUnknown 504 "outcome_unknown" "Outcome unknown" again
        "The commit was not confirmed; the same request with the same key gives its answer.";
    DeadlinePassed 504 "deadline_passed" "Deadline passed" never
        "Evenkeel-Deadline was reached before work began; nothing was done.";
    DiskFull 507 "disk_full" "Disk full" again
        "A definite no: the store has no room. Nothing was done.";
}

impl Code {
    /// The code with this name, as rules and engine spell it.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.meaning().code == name)
    }
}

/// One member that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Violation {
    /// JSON pointer into the body; `/query/...`, `/header/...` and `/path/...` elsewhere.
    pub(crate) pointer: String,
    /// What is wrong, in one word.
    pub(crate) code: &'static str,
}

/// A refusal on its way to the client.
#[derive(Debug)]
pub(crate) struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    violations: Vec<Violation>,
    members: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

impl Problem {
    /// A problem whose detail is what the catalogue says.
    pub(crate) fn new(code: Code) -> Self {
        Self {
            code,
            detail: Cow::Borrowed(code.meaning().help),
            violations: Vec::new(),
            members: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// The problem that a list of violations makes; the code is that of the gravest kind.
    pub(crate) fn violated(violations: Vec<Violation>) -> Self {
        let of = |code: &str| violations.iter().any(|violation| violation.code == code);
        let code = [Code::UnknownMember, Code::BadId, Code::LimitExceeded]
            .into_iter()
            .find(|code| of(code.meaning().code))
            .unwrap_or(Code::Schema);
        Self {
            violations,
            ..Self::new(code)
        }
    }

    /// The problem of a single violation.
    pub(crate) fn violation(pointer: &str, code: &'static str) -> Self {
        Self::violated(vec![Violation {
            pointer: pointer.to_owned(),
            code,
        }])
    }

    /// Says more than the catalogue does; never with what the client sent.
    pub(crate) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds a member that only this kind of problem has.
    pub(crate) fn member(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((name, value.into()));
        self
    }

    /// Adds a header to the answer.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The methods that the route has.
    pub(crate) fn allow(self, methods: &str) -> Self {
        let value = HeaderValue::from_str(methods).expect("method names are visible ASCII");
        self.header(ALLOW, value)
    }

    /// Which problem it is.
    pub(crate) fn code(&self) -> Code {
        self.code
    }

    /// The document; `instance` is the path that was asked.
    pub(crate) fn document(&self, instance: &str) -> Vec<u8> {
        let meaning = self.code.meaning();
        let mut out = Vec::with_capacity(512);
        text(&mut out, "{\"type\":\"urn:evenkeel:");
        text(&mut out, meaning.code);
        text(&mut out, "\",\"title\":\"");
        text(&mut out, meaning.title);
        text(&mut out, "\",\"status\":");
        value(&mut out, &meaning.status);
        text(&mut out, ",\"code\":\"");
        text(&mut out, meaning.code);
        text(&mut out, "\",\"detail\":");
        quoted(&self.detail, &mut out);
        text(&mut out, ",\"instance\":");
        quoted(instance, &mut out);
        text(&mut out, ",\"help\":\"/docs/errors/");
        text(&mut out, meaning.code);
        text(
            &mut out,
            if meaning.retryable {
                "\",\"retryable\":true"
            } else {
                "\",\"retryable\":false"
            },
        );
        for (name, member) in &self.members {
            text(&mut out, ",\"");
            text(&mut out, name);
            text(&mut out, "\":");
            match member {
                Value::String(member) => quoted(member, &mut out),
                member => value(&mut out, member),
            }
        }
        if meaning.status == 422 && self.code != Code::KeyReused {
            text(&mut out, ",\"violations\":");
            value(&mut out, &self.violations);
        }
        out.push(b'}');
        out
    }

    /// The whole answer.
    pub(crate) fn render(self, instance: &str) -> Response<Bytes> {
        let body = self.document(instance);
        let mut response = Response::new(Bytes::from(body));
        let status = self.code.meaning().status;
        *response.status_mut() = StatusCode::from_u16(status).expect("the catalogue's statuses");
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        if status == 401 {
            let scheme = HeaderValue::from_static("Bearer realm=\"evenkeel\"");
            headers.insert(WWW_AUTHENTICATE, scheme);
        }
        if matches!(status, 429 | 503) || self.code == Code::InFlight {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        for (name, value) in self.headers {
            headers.insert(name, value);
        }
        response
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn value<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("plain values are written to memory");
}

#[cfg(test)]
mod tests;
