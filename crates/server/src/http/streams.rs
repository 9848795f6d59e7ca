//! What all streams of server-sent events share: how many there may be, and where one goes on.

use super::Api;
use super::call::Call;
use super::problem::{Code, Problem};
use evenkeel_engine::token::Position;
use http::HeaderName;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Most streams of one node at a time.
pub(crate) const STREAMS_MAX: usize = 1_000;
/// A comment is sent when there was no news for so long.
pub(crate) const BEAT: Duration = Duration::from_secs(15);

/// How many streams there are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<AtomicUsize>);

/// A place among the streams; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Stream(Arc<AtomicUsize>);

impl Streams {
    /// Takes a place.
    ///
    /// # Errors
    /// 503 when all are taken.
    pub(crate) fn open(&self) -> Result<Stream, Problem> {
        let taken = self.0.fetch_add(1, Ordering::AcqRel);
        let stream = Stream(Arc::clone(&self.0));
        if taken < STREAMS_MAX {
            Ok(stream)
        } else {
            Err(Problem::new(Code::Unavailable))
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What a client has seen, if it says so.
///
/// # Errors
/// 422 for what is no token.
pub(crate) fn seen(call: &Call<'_>) -> Result<Option<Position>, Problem> {
    let wrong = || Problem::violation("/header/last-event-id", "token");
    match call.headers.get(LAST_EVENT_ID) {
        None => Ok(None),
        Some(value) => {
            let text = value.to_str().map_err(|_| wrong())?;
            Ok(Some(text.parse().map_err(|_| wrong())?))
        }
    }
}

impl Api {
    /// The position up to which a client was told; 0 for one that begins.
    ///
    /// # Errors
    /// 409 for a token of another log or of a future that was lost.
    pub(crate) fn told(&self, seen: Option<Position>) -> Result<u64, Problem> {
        let lineage = self.engine.lineage();
        if !seen.as_ref().is_none_or(|seen| lineage.knows(seen)) {
            return Err(Problem::new(Code::TokenUnknown));
        }
        Ok(seen.map_or(0, |seen| seen.position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_only_so_many_streams_and_one_that_ends_makes_room() {
        let streams = Streams::default();
        let mut open: Vec<Stream> = (0..STREAMS_MAX)
            .filter_map(|_| streams.open().ok())
            .collect();
        assert_eq!(open.len(), STREAMS_MAX);
        assert!(streams.open().is_err());
        assert!(streams.open().is_err(), "a refused one takes no place");
        open.pop();
        assert!(streams.open().is_ok());
    }
}
