//! From a request to what it comes to: which service, whether it is up, what it is asked.

use super::knobs::{Knobs, Service};
use super::outcome::{Ending, Now, Outcome};
use super::payment::{Desk, Kind};
use super::{Sandbox, World, product};
use crate::http::head;
use crate::http::json::{self, Value};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Query, decode};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;
use std::borrow::Cow;

/// A path that is served.
#[derive(Debug, PartialEq, Eq)]
enum Route<'a> {
    Livez,
    Knobs,
    Ledger,
    Money(Kind),
    Deliveries,
    Delivery(Cow<'a, str>),
    Cancel(Cow<'a, str>),
    Availability,
}

impl<'a> Route<'a> {
    fn find(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        Some(match parts.as_slice() {
            ["livez"] => Self::Livez,
            ["knobs"] => Self::Knobs,
            ["ledger"] => Self::Ledger,
            ["payment", "charges"] => Self::Money(Kind::Charge),
            ["payment", "refunds"] => Self::Money(Kind::Refund),
            ["delivery", "deliveries"] => Self::Deliveries,
            ["delivery", "deliveries", id] => Self::Delivery(decode(id, false)?),
            ["delivery", "deliveries", id, "cancel"] => Self::Cancel(decode(id, false)?),
            ["product", "availability"] => Self::Availability,
            _ => return None,
        })
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::Livez | Self::Ledger | Self::Delivery(_) => "GET",
            Self::Knobs => "GET, PUT",
            Self::Money(_) | Self::Deliveries => "GET, POST",
            Self::Cancel(_) | Self::Availability => "POST",
        }
    }

    /// The service that a path belongs to; none to the sandbox's own.
    fn service(&self) -> Option<Service> {
        match self {
            Self::Livez | Self::Knobs | Self::Ledger => None,
            Self::Money(_) => Some(Service::Payment),
            Self::Deliveries | Self::Delivery(_) | Self::Cancel(_) => Some(Service::Delivery),
            Self::Availability => Some(Service::Product),
        }
    }
}

impl Sandbox {
    /// Answers a request whose body was read.
    ///
    /// # Errors
    /// The problem of a request that is refused as it stands: nothing was done.
    pub(super) fn answer(&self, parts: &Parts, body: &Bytes) -> Result<Outcome, Problem> {
        let path = parts.uri.path();
        let route = Route::find(path).ok_or_else(|| Problem::new(Code::NotFound))?;
        let methods = route.methods();
        if !methods
            .split(", ")
            .any(|method| method == parts.method.as_str())
        {
            return Err(Problem::new(Code::MethodNotAllowed).allow(methods));
        }
        let now = self.now();
        let mut world = self.world.lock();
        world.requests += 1;
        let latency = world.knobs.latency;
        let Some(service) = route.service() else {
            return own(&mut world, &route, parts, (body, now));
        };
        if world.knobs.down.contains(&service) {
            return down(&world.knobs, service, world.requests);
        }
        let outcome = if parts.method == Method::GET {
            asked(&world, &route, parts, now)
        } else {
            written(&mut world, parts, (body, now))?;
            done(&mut world, &route, parts, (body, now))
        }?;
        drop(world);
        self.posted.notify_one();
        Ok(Outcome {
            after: outcome.after + latency,
            ..outcome
        })
    }
}

/// The sandbox's own paths: never down, never late.
fn own(
    world: &mut World,
    route: &Route<'_>,
    parts: &Parts,
    (body, now): (&Bytes, Now),
) -> Result<Outcome, Problem> {
    Query::new(parts.uri.query(), &[]).finish()?;
    if *route == Route::Livez {
        let mut response = Response::new(Bytes::from_static(b"ok"));
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        return Ok(Outcome::from(response));
    }
    if *route == Route::Ledger {
        let ledger = json!({
            "charges": world.payments.ledger(Kind::Charge, now),
            "refunds": world.payments.ledger(Kind::Refund, now),
            "deliveries": world.deliveries.ledger(now),
        });
        return Ok(Outcome::json(StatusCode::OK, &ledger));
    }
    if parts.method == Method::PUT {
        let turned = world.knobs.turned(&parsed(parts, body)?)?;
        written(world, parts, (body, now))?;
        world.knobs = turned;
    }
    Ok(Outcome::json(StatusCode::OK, &world.knobs.shown()))
}

/// Does again what the journal says was asked at a moment of the past.
pub(super) fn again(world: &mut World, (parts, body): (&Parts, &Bytes), at: Now) {
    let Some(route) = Route::find(parts.uri.path()) else {
        return;
    };
    world.requests += 1;
    // What was refused then is refused now, and nothing is done again either.
    let _same_as_then = match route.service() {
        None => own(world, &route, parts, (body, at)),
        Some(_) => done(world, &route, parts, (body, at)),
    };
}

/// Writes down what is about to be done.
///
/// # Errors
/// `unavailable`, a definite no, when it cannot be written.
fn written(world: &mut World, parts: &Parts, (body, now): (&Bytes, Now)) -> Result<(), Problem> {
    let Some(journal) = &mut world.journal else {
        return Ok(());
    };
    journal.asked(parts, body, now.wall).map_err(|error| {
        tracing::error!(%error, "the journal cannot be written");
        Problem::new(Code::Unavailable)
    })
}

/// What a service that is down says: nothing, or 503.
fn down(knobs: &Knobs, service: Service, request: u64) -> Result<Outcome, Problem> {
    if knobs.draw(&["down", service.name(), &request.to_string()]) < 0.5 {
        Ok(Outcome::silence(Ending::Cut))
    } else {
        Err(Problem::new(Code::Unavailable))
    }
}

/// A question about what was done.
fn asked(world: &World, route: &Route<'_>, parts: &Parts, now: Now) -> Result<Outcome, Problem> {
    if let Route::Delivery(id) = route {
        Query::new(parts.uri.query(), &[]).finish()?;
        return world.deliveries.of_id(id, now);
    }
    let mut query = Query::new(parts.uri.query(), &["key"]);
    let key = query.parameter("key", "key", |key| {
        head::is_key(key).then(|| key.to_owned())
    });
    query.finish()?;
    let key = key.ok_or_else(|| Problem::violation("/query/key", "required"))?;
    match route {
        Route::Money(kind) => world.payments.of_key(*kind, &key, now),
        Route::Deliveries => world.deliveries.of_key(&key, now),
        Route::Livez
        | Route::Knobs
        | Route::Ledger
        | Route::Delivery(_)
        | Route::Cancel(_)
        | Route::Availability => Err(Problem::new(Code::NotFound)),
    }
}

/// An intent.
fn done(
    world: &mut World,
    route: &Route<'_>,
    parts: &Parts,
    (body, now): (&Bytes, Now),
) -> Result<Outcome, Problem> {
    Query::new(parts.uri.query(), &[]).finish()?;
    let attempt = world.requests.to_string();
    let key = head::key(&parts.headers)?;
    let needed = || key.ok_or_else(|| Problem::new(Code::KeyMissing));
    let World {
        knobs,
        payments,
        deliveries,
        mail,
        ..
    } = world;
    let mut desk = Desk { knobs, mail, now };
    match route {
        Route::Money(Kind::Charge) => payments.charge(&mut desk, needed()?, &parsed(parts, body)?),
        Route::Money(Kind::Refund) => payments.refund(&mut desk, needed()?, &parsed(parts, body)?),
        Route::Deliveries => deliveries.deliver(&mut desk, needed()?, &parsed(parts, body)?),
        // To cancel is the whole of what is said; a body may give a reason, for nobody to read.
        Route::Cancel(_) if !body.is_empty() && !is_object(&parsed(parts, body)?) => {
            Err(Problem::violation("", "type"))
        }
        Route::Cancel(id) => deliveries.cancel(&mut desk, id, &attempt),
        Route::Availability => product::availability(knobs, &attempt, &parsed(parts, body)?),
        Route::Livez | Route::Knobs | Route::Ledger | Route::Delivery(_) => {
            Err(Problem::new(Code::NotFound))
        }
    }
}

fn is_object(value: &Value<'_>) -> bool {
    matches!(value, Value::Object(_))
}

/// The body, which says of itself that it is JSON and is.
fn parsed<'a>(parts: &Parts, body: &'a Bytes) -> Result<Value<'a>, Problem> {
    if !head::is_json(&parts.headers) {
        return Err(Problem::new(Code::MediaType));
    }
    json::parse(body)
}
