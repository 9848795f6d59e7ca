//! What a request came to: an answer, how long it takes, and whether it ever arrives.

use super::knobs::Knobs;
use bytes::Bytes;
use evenkeel_rules::time::LogTime;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use std::time::Duration;

/// The two clocks at one moment: what is shown, and what is waited by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: LogTime,
    pub(super) mono: Duration,
}

/// What the client sees of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It arrives.
    Answered,
    /// Nothing arrives; the connection is held open, longer than a client waits.
    Held,
    /// Nothing arrives; the connection is closed.
    Cut,
}

/// What a request came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) response: Response<Bytes>,
    /// How long the answer takes.
    pub(super) after: Duration,
    pub(super) ending: Ending,
}

impl Outcome {
    /// A JSON body.
    pub(super) fn json(status: StatusCode, body: &serde_json::Value) -> Self {
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = status;
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        Self::from(response)
    }

    /// No answer at all.
    pub(super) fn silence(ending: Ending) -> Self {
        Self {
            ending,
            ..Self::from(Response::default())
        }
    }

    /// An answer that may get lost, as the knobs will have it, after its effect was done.
    pub(super) fn uncertain(self, knobs: &Knobs, words: [&str; 2]) -> Self {
        let [what, attempt] = words;
        if knobs.draw(&["unknown", what, attempt]) >= knobs.unknown_rate {
            return self;
        }
        let held = knobs.draw(&["held", what, attempt]) < 0.5;
        let ending = if held { Ending::Held } else { Ending::Cut };
        Self { ending, ..self }
    }
}

impl From<Response<Bytes>> for Outcome {
    fn from(response: Response<Bytes>) -> Self {
        Self {
            response,
            after: Duration::ZERO,
            ending: Ending::Answered,
        }
    }
}
