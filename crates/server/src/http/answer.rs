//! The one way from a request to its answer.
//!
//! [`Api::answer`] walks numbered steps, and the numbers are the contract's precedence of
//! refusals: the first step that has something against a request answers it. It needs no socket:
//! the listener hands requests in, and so does a command that opened the stores itself.

use super::body::Body;
use super::call::Call;
use super::head;
use super::meter::Answered;
use super::problem::{Code, Problem};
use super::rate::whole_seconds;
use super::route::Who;
use super::trace;
use super::{Api, call::Answer};
use bytes::Bytes;
use evenkeel_rules::token::Token;
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tracing::Instrument as _;

/// The way by which a request came in.
#[derive(Debug, Clone)]
pub(crate) enum Door {
    /// The listener for everybody: callers show a token.
    Main,
    /// The same for the clients of an address.
    Client(IpAddr),
    /// The listener for operators (`server.admin_listen`): health and metrics, no token.
    Admin,
    /// A command in this process, which is who it says it is.
    Inside(Arc<Token>),
}

/// What came of reading a body.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    /// All of it, at most [`head::BODY_MAX`] bytes.
    Whole(Bytes),
    /// It is larger than a body may be.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// So much of other bodies is on its way that there is no room for it.
    NoRoom,
    /// Its framing has more than one meaning, or broke off.
    Unclear,
}

impl Door {
    /// The door for whoever connects from an address.
    pub(crate) fn of(&self, address: IpAddr) -> Self {
        match self {
            Self::Main | Self::Client(_) => Self::Client(address),
            Self::Admin | Self::Inside(_) => self.clone(),
        }
    }
}

impl Api {
    /// Answers a request.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        request: Request<Payload>,
        door: &Door,
    ) -> Response<Body> {
        let (parts, payload) = request.into_parts();
        let begun = self.engine.clock().mono();
        let mut route = None;
        let span = trace::request(&parts);
        let steps = self.steps(&parts, payload, door, &mut route);
        let result = caught(steps).instrument(span.clone()).await;
        let refused = result.as_ref().err().map(Problem::code);
        let response = match result {
            Ok(answer) => answer.render(),
            Err(problem) => {
                let problem = self.timed(problem);
                problem.render(parts.uri.path()).map(Body::from)
            }
        };
        let pattern = route.map(|number| self.meter.pattern(number));
        trace::answered(&span, pattern, response.status());
        self.meter.count(&Answered {
            method: &parts.method,
            status: response.status(),
            route,
            refused,
            took: self.engine.clock().mono().saturating_sub(begun),
        });
        response
    }

    /// Says when to ask again of what this node's state does not allow now.
    fn timed(&self, problem: Problem) -> Problem {
        if problem.code() != Code::Unavailable {
            return problem;
        }
        let seconds = whole_seconds(self.engine.ask_again_after());
        problem.header(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Walks the steps; notes the number of the route once it is known.
    async fn steps(
        &self,
        parts: &Parts,
        body: Payload,
        door: &Door,
        number: &mut Option<usize>,
    ) -> Result<Answer, Problem> {
        let headers = &parts.headers;
        let path = parts.uri.path();
        // 1. 414, 431, 413: what is too large or has no one meaning is not looked at.
        let body = measured(parts, body)?;
        // 2. 401: who asks; 429: whether he asked too often.
        let found = self.routes.find(path).filter(|_| self.serves(path, door));
        let is_open = found.is_some_and(|(path, _)| path.open);
        let caller = match door {
            Door::Inside(caller) => Arc::clone(caller),
            Door::Admin => Arc::clone(&self.nobody),
            Door::Main | Door::Client(_) if is_open => Arc::clone(&self.nobody),
            Door::Main | Door::Client(_) => self.caller(headers, door).await?,
        };
        // 3. 404: the route.
        let (path, segment) = found.ok_or_else(|| Problem::new(Code::NotFound))?;
        // 4. 405: its method.
        let (at, route) = path
            .route(&parts.method)
            .ok_or_else(|| Problem::new(Code::MethodNotAllowed).allow(&path.allow))?;
        *number = Some(at);
        let event = match route.who {
            // 413, 401: a provider has no token; it signs, and whoever does not is counted.
            Who::Signed(sender) => {
                let signed = self.signed(sender, headers, &body);
                Some(signed.or_else(|refused| self.count_unknown(door).and(Err(refused)))?)
            }
            Who::Anybody => {
                self.count_unknown(door)?;
                None
            }
            Who::Roles(_) => None,
        };
        // 5. 406: what the client takes.
        if route.is_api() && !head::takes(headers, route.kinds()) {
            return Err(Problem::new(Code::NotAcceptable));
        }
        // 6. 415: what the body is.
        let of_lines = route.takes_lines() && head::is_kind(headers, head::LINES);
        if route.has_body() && !of_lines && !head::is_json(headers) {
            return Err(Problem::new(Code::MediaType));
        }
        // 7. 400: the key.
        let key = if route.is_keyed() {
            head::key(headers)?
        } else {
            None
        };
        if route.needs_key() && key.is_none() {
            return Err(Problem::new(Code::KeyMissing));
        }
        // 8. 400, 422: the body, the query and the headers that say how to go about it.
        let deadline = head::deadline(headers)?;
        let query = parts.uri.query();
        let call = Call {
            route,
            segment,
            query,
            headers,
            body: &body,
            caller: &caller,
            key,
            event,
        };
        let act = (route.prepare)(self, call)?;
        // 9. 403: the role.
        let may = path.open || matches!(door, Door::Admin) || route.admits(caller.role);
        if !may {
            return Err(Problem::new(Code::Forbidden));
        }
        // 10. 504: no work is begun after its deadline.
        if deadline.is_some_and(|deadline| deadline <= self.now()) {
            return Err(Problem::new(Code::DeadlinePassed));
        }
        // 11. 403 about the body's customer, 404, then the rule's own order.
        act.await
    }
}

/// The body of a request that is within every bound of size and time.
///
/// # Errors
/// 414, 431, 413, 408, 503 or 400, in this order.
pub(crate) fn measured(parts: &Parts, body: Payload) -> Result<Bytes, Problem> {
    let size = match &body {
        Payload::Whole(body) => body.len(),
        Payload::TooLarge => usize::MAX,
        Payload::TooSlow | Payload::NoRoom | Payload::Unclear => 0,
    };
    head::sizes(&parts.uri, &parts.headers, size)?;
    match body {
        Payload::Whole(body) => Ok(body),
        Payload::TooLarge => Err(Problem::new(Code::TooLarge)),
        Payload::TooSlow => Err(Problem::new(Code::RequestTimeout)),
        Payload::NoRoom => Err(Problem::new(Code::Unavailable)),
        Payload::Unclear => Err(Problem::new(Code::BadText)),
    }
}

/// Turns a defect (an assertion that failed) into its answer, so that one request's defect is
/// never another's lost connection.
async fn caught(steps: impl Future<Output = Result<Answer, Problem>>) -> Result<Answer, Problem> {
    let mut steps = pin!(steps);
    std::future::poll_fn(|context| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| steps.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(Problem::new(Code::Internal))))
    })
    .await
}
