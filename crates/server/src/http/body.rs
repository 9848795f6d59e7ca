//! The body of an answer: whole, or in pieces that come one by one.
//!
//! Almost every answer is whole, and then nothing here costs it anything. Pieces are made by a
//! future that gives the next piece and what comes after it, so that whoever makes them keeps no
//! task of its own: it works only while the connection asks, and ends with it.

use super::wire::Answering;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as Frames, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The next piece and what comes after it; nothing at the end.
type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Live)>> + Send>>;

/// What is still to come of an answer.
pub(crate) struct Live {
    next: Option<Next>,
    /// Keeps the connection from being taken for an idle one.
    answering: Option<Answering>,
}

impl Live {
    /// Pieces from a future of the first.
    pub(crate) fn new(next: impl Future<Output = Option<(Bytes, Self)>> + Send + 'static) -> Self {
        Self {
            next: Some(Box::pin(next)),
            answering: None,
        }
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Live")
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    /// All of it.
    Whole(Full<Bytes>),
    /// Pieces.
    Live(Live),
}

impl Body {
    /// Keeps a mark of the request for as long as pieces come.
    pub(super) fn keep(&mut self, answering: Answering) {
        match self {
            Self::Whole(_) => {}
            Self::Live(live) => live.answering = Some(answering),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl Frames for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let live = match &mut *self {
            Self::Whole(whole) => return Pin::new(whole).poll_frame(context),
            Self::Live(live) => live,
        };
        let Some(next) = &mut live.next else {
            return Poll::Ready(None);
        };
        let piece = ready!(next.as_mut().poll(context));
        live.next = None;
        let Some((bytes, after)) = piece else {
            return Poll::Ready(None);
        };
        live.next = after.next;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Live(live) => live.next.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Live(_) => SizeHint::default(),
        }
    }
}
