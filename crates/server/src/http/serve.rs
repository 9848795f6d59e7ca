//! Listening: connections in, answers out, an orderly end.
//!
//! Each connection is one task of one set, so that the end of the server can wait for them. The
//! HTTP library reads heads and frames; size and time limits, and what a refusal looks like, are
//! ours ([`super::wire`]). More connections than there are handles for wait in the system's queue,
//! and idle ones make room for them. A request's body is read whole before it is answered, bounded
//! in size and time, and all that are on their way together in memory. When the server
//! stops, no connection is accepted any more, requests that have begun are answered, and what then
//! still lingers is dropped.

use super::Api;
use super::answer::{Door, Payload};
use super::body::Body;
use super::head::BODY_MAX;
use super::wire::{Answering, Pace, Ticks, Watch, Wire};
use bytes::Bytes;
use http::header::{CONNECTION, EXPECT, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustix::process::{Resource, getrlimit};
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};

/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How often a connection's pace is looked at.
const TICK: Duration = Duration::from_millis(2_500);
/// A head may take 10 s, an answer's next part 30 s; a connection is closed after 60 s without a
/// request.
const TICKS: Ticks = Ticks {
    head: 4,
    idle: 24,
    stall: 12,
};
/// The same while others wait to be let in: whoever asked nothing for 2.5 s makes room.
const CROWDED: Ticks = Ticks { idle: 1, ..TICKS };
/// How long connections may take to end when the server stops.
///
/// Commands that were taken are answered within milliseconds; what takes longer is a client that
/// does not send on, or a read that waits for a position.
const FAREWELL: Duration = Duration::from_millis(1_500);
/// Memory for the head of a request, twice the largest that is taken.
const HEAD_BUFFER: usize = 128 * 1024;
/// Requests at once on one HTTP/2 connection; each may keep a body of [`BODY_MAX`] in memory.
const STREAMS: u32 = 64;
/// Handles of the process that connections never get.
const HANDLES_KEPT: u64 = 128;
/// How often measurements are folded together, so that they do not pile up unread.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long nothing is accepted after the system refused a connection.
const PAUSE: Duration = Duration::from_millis(50);
/// A body that is too large is read on to here, so that its client gets the answer.
const DRAIN_MAX: usize = 4 * 1024 * 1024;
/// Most memory for bodies that are on their way, all connections together.
const BODIES_MAX: usize = 256 * 1024 * 1024;
/// Memory of bodies that are on their way; the process's, as its memory is.
static BODIES: AtomicUsize = AtomicUsize::new(0);

/// Serves until `stop` turns true.
///
/// Ends when every connection has ended, or [`FAREWELL`] after the stop.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one home of connection tasks"
)]
pub(crate) async fn serve(
    listener: TcpListener,
    api: Arc<Api>,
    door: Door,
    mut stop: Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    let crowded = Arc::new(AtomicBool::new(false));
    let mut upkeep = tokio::time::interval(UPKEEP);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        let room = connections.len() < connections_max();
        crowded.store(!room, Ordering::Relaxed);
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            _ = upkeep.tick() => {
                api.upkeep();
                continue;
            }
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept(), if room => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                let place = Place {
                    door: door.of(client.ip()),
                    crowded: Arc::clone(&crowded),
                    stop: stop.clone(),
                };
                connections.spawn(connection(stream, Arc::clone(&api), place));
            }
            // Out of file descriptors, or a client that is gone already: others wait their turn.
            Err(_) => api.pause(PAUSE).await,
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    let _late = timeout(FAREWELL, ended).await;
    connections.abort_all();
}

/// How many connections there is room for. Files of the store and calls to providers need handles
/// too: connections get at most all but [`HANDLES_KEPT`], or half where that is more.
fn connections_max() -> usize {
    let handles = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = handles.saturating_sub(HANDLES_KEPT).max(handles / 2);
    usize::try_from(most).unwrap_or(usize::MAX)
}

/// Where a connection came in, and what it hears of the others.
struct Place {
    door: Door,
    /// Whether there is no room for more of them.
    crowded: Arc<AtomicBool>,
    stop: Receiver<bool>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "a connection's pace is part of its task"
)]
async fn connection(stream: TcpStream, api: Arc<Api>, place: Place) {
    let Place {
        door,
        crowded,
        mut stop,
    } = place;
    let _open = api.meter.connected(&door);
    let _unset = stream.set_nodelay(true);
    let watch = Arc::new(Watch::default());
    let seen = Arc::clone(&watch);
    let door = Arc::new(door);
    let service = service_fn(move |request| {
        let (api, door, watch) = (Arc::clone(&api), Arc::clone(&door), Arc::clone(&seen));
        async move { Ok::<_, Infallible>(exchange(&api, request, &door, &watch).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(HEAD_BUFFER);
    builder
        .http2()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(128 * 1024);
    let io = TokioIo::new(Wire::new(stream, Arc::clone(&watch)));
    let mut served = pin!(builder.serve_connection(io, service));
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.reset();
    let (mut stopping, mut late) = (false, 0_u32);
    loop {
        tokio::select! {
            biased;
            _ended = served.as_mut() => return,
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                served.as_mut().graceful_shutdown();
            }
            _ = ticks.tick() => match watch.tick(most(&crowded)) {
                Pace::Fine => {}
                // Two ticks for the 408 to be sent and read, or for the farewell; then the end.
                Pace::Slow if late < 2 => { late += 1; watch.expire(); }
                Pace::Idle if late < 2 => { late += 1; served.as_mut().graceful_shutdown(); }
                Pace::Slow | Pace::Idle | Pace::Stuck => return,
            },
        }
    }
}

fn most(crowded: &AtomicBool) -> Ticks {
    if crowded.load(Ordering::Relaxed) {
        CROWDED
    } else {
        TICKS
    }
}

async fn exchange(
    api: &Arc<Api>,
    request: Request<Incoming>,
    door: &Door,
    watch: &Arc<Watch>,
) -> Response<Body> {
    let answering = Answering::begin(watch);
    let (parts, body) = request.into_parts();
    let version = parts.version;
    let waits = parts.headers.contains_key(EXPECT);
    let payload = if watch.is_unclear() && parts.headers.contains_key(TRANSFER_ENCODING) {
        Payload::Unclear
    } else {
        read(body, waits).await
    };
    let ends = !matches!(payload, Payload::Whole(_));
    let mut response = api.answer(Request::from_parts(parts, payload), door).await;
    if ends && version < Version::HTTP_2 {
        watch.linger();
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response.body_mut().keep(answering);
    response
}

/// Reads a body whole. The timer is set only when the body did not come with its head.
pub(crate) async fn read(mut body: Incoming, waits: bool) -> Payload {
    if body.is_end_stream() {
        return Payload::Whole(Bytes::new());
    }
    let announced = body.size_hint().lower();
    let drained = usize::try_from(announced).is_ok_and(|size| size <= DRAIN_MAX) && !waits;
    if announced > BODY_MAX as u64 && !drained {
        return Payload::TooLarge;
    }
    let mut all = pin!(collect(&mut body));
    let at_once = std::future::poll_fn(|context| Poll::Ready(all.as_mut().poll(context))).await;
    match at_once {
        Poll::Ready(payload) => payload,
        Poll::Pending => timeout(BODY_TIME, all).await.unwrap_or(Payload::TooSlow),
    }
}

/// What a body that is on its way has of [`BODIES`]; given back when it is read or given up.
#[derive(Default)]
struct Room(usize);

impl Room {
    /// Takes room for more; whether there is any.
    fn grow(&mut self, more: usize) -> bool {
        let before = BODIES.fetch_add(more, Ordering::Relaxed);
        self.0 += more;
        before + more <= BODIES_MAX
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        BODIES.fetch_sub(self.0, Ordering::Relaxed);
    }
}

async fn collect(body: &mut Incoming) -> Payload {
    let mut room = Room::default();
    let mut whole = Bytes::new();
    let mut parts = Vec::new();
    let mut size = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return Payload::Unclear;
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        size += data.len();
        if size > DRAIN_MAX {
            break;
        }
        if size > BODY_MAX {
            continue;
        }
        if !room.grow(data.len()) {
            return Payload::NoRoom;
        }
        if whole.is_empty() && parts.is_empty() {
            whole = data;
        } else {
            if parts.is_empty() {
                parts.extend_from_slice(&whole);
            }
            parts.extend_from_slice(&data);
        }
    }
    if size > BODY_MAX {
        Payload::TooLarge
    } else if parts.is_empty() {
        Payload::Whole(whole)
    } else {
        Payload::Whole(Bytes::from(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_on_their_way_have_so_much_memory_together_and_give_it_back() {
        let (mut first, mut second) = (Room::default(), Room::default());
        // Other tests of this process read bodies, too.
        assert!(first.grow(BODIES_MAX / 2));
        assert!(!second.grow(BODIES_MAX / 2 + 1));
        drop(second);
        let mut third = Room::default();
        assert!(third.grow(BODIES_MAX / 4));
    }
}
