//! A connection's bytes, watched for what the HTTP library does not tell.
//!
//! Four things are seen only here. A head with both `Transfer-Encoding` and `Content-Length`: the
//! library drops one of them, and with it the doubt about where the body ends. The library's own
//! refusals (a head that is no HTTP or too large), which have no body: each is replaced by the
//! problem document that every error has. And a head that does not come to its end: the owner
//! counts time, and a connection that has expired is told 408 and ended. And a client that does not
//! take its answer: what is sent to it makes no way, and the owner counts time again.
//!
//! Nothing is parsed twice: heads are only scanned for two header names at a line's beginning,
//! where no JSON body can have them.

use super::problem::{Code, Problem};
use memchr::memchr;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Most bytes that are read and thrown away after a refusal, so that it is not lost to a reset.
const LINGER_MAX: usize = 4 * 1024 * 1024;
/// The library's own refusals are shorter than this.
const REFUSAL_MAX: usize = 256;
const H2_PREFACE: &[u8] = b"PRI * HTTP/2";

/// What a connection's three parts (bytes, requests, owner) know of each other.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Requests that are being answered.
    busy: AtomicU32,
    /// Whether bytes of a next head have come, and no request yet.
    begun: AtomicBool,
    /// Ticks since `busy` or `begun` changed.
    ticks: AtomicU32,
    /// Whether the client takes nothing of what is sent to it.
    stalled: AtomicBool,
    /// Ticks since it last took something.
    stalls: AtomicU32,
    expired: AtomicBool,
    unclear: AtomicBool,
    linger: AtomicBool,
}

/// Marks a request as being answered for as long as it lives, even when its client goes away.
pub(super) struct Answering(Arc<Watch>);

impl Answering {
    /// A request's head is complete.
    pub(super) fn begin(watch: &Arc<Watch>) -> Self {
        watch.enter();
        Self(Arc::clone(watch))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// What the owner finds when it looks at a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Requests are being answered, or little time has passed.
    Fine,
    /// A head was begun and did not come to its end in time.
    Slow,
    /// Nothing was asked for long.
    Idle,
    /// An answer was not taken for long.
    Stuck,
}

/// How many ticks a connection may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticks {
    /// From the first byte of a head to its end.
    pub(super) head: u32,
    /// Without a request.
    pub(super) idle: u32,
    /// Until something of an answer is taken.
    pub(super) stall: u32,
}

impl Watch {
    /// A request's head is complete.
    pub(super) fn enter(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.begun.store(false, Ordering::Relaxed);
        self.ticks.store(0, Ordering::Relaxed);
    }

    /// A request is answered.
    pub(super) fn leave(&self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
        self.ticks.store(0, Ordering::Relaxed);
    }

    /// The client took something of what is sent to it, or takes nothing now.
    fn took(&self, some: bool) {
        if some && self.stalled.swap(false, Ordering::Relaxed) {
            self.stalls.store(0, Ordering::Relaxed);
        } else if !some {
            self.stalled.store(true, Ordering::Relaxed);
        }
    }

    /// Counts a tick and says how the connection does.
    pub(super) fn tick(&self, most: Ticks) -> Pace {
        let stalled = self.stalled.load(Ordering::Relaxed);
        if stalled && self.stalls.fetch_add(1, Ordering::Relaxed) >= most.stall {
            return Pace::Stuck;
        }
        let ticks = self.ticks.fetch_add(1, Ordering::Relaxed) + 1;
        if self.busy.load(Ordering::Relaxed) > 0 {
            return Pace::Fine;
        }
        // Bytes of a next head lie unread as long as the answer before it is not taken.
        if self.begun.load(Ordering::Relaxed) && !stalled && ticks > most.head {
            return Pace::Slow;
        }
        let idle = if stalled {
            most.idle.max(most.stall)
        } else {
            most.idle
        };
        if ticks > idle { Pace::Idle } else { Pace::Fine }
    }

    /// Lets the connection answer 408 and end.
    pub(super) fn expire(&self) {
        self.expired.store(true, Ordering::Relaxed);
    }

    /// Lets the connection read on for a while after its end, for the refusal to arrive.
    pub(super) fn linger(&self) {
        self.linger.store(true, Ordering::Relaxed);
    }

    /// Whether some head had two meanings.
    pub(super) fn is_unclear(&self) -> bool {
        self.unclear.load(Ordering::Relaxed)
    }
}

/// The stream of a connection.
pub(super) struct Wire {
    stream: TcpStream,
    watch: Arc<Watch>,
    scan: Scan,
    /// A refusal of ours that stands in for the library's, and how much of it was sent.
    reply: Vec<u8>,
    sent: usize,
    is_h2: Option<bool>,
    lingered: usize,
}

impl Wire {
    /// Watches a stream.
    pub(super) fn new(stream: TcpStream, watch: Arc<Watch>) -> Self {
        let scan = Scan::default();
        Self {
            stream,
            watch,
            scan,
            reply: Vec::new(),
            sent: 0,
            is_h2: None,
            lingered: 0,
        }
    }

    fn saw(&mut self, bytes: &[u8]) {
        let is_h2 = *self.is_h2.get_or_insert_with(|| {
            let length = bytes.len().min(H2_PREFACE.len());
            bytes[..length] == H2_PREFACE[..length]
        });
        if is_h2 {
            return;
        }
        if self.watch.busy.load(Ordering::Relaxed) == 0
            && !self.watch.begun.swap(true, Ordering::Relaxed)
        {
            self.watch.ticks.store(0, Ordering::Relaxed);
        }
        if self.scan.feed(bytes) {
            self.watch.unclear.store(true, Ordering::Relaxed);
        }
    }

    fn poll_reply(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.reply.len() {
            let rest = &self.reply[self.sent..];
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0_u8; 16 * 1024];
        while self.lingered < LINGER_MAX {
            let mut buffer = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            let read = buffer.filled().len();
            if read == 0 {
                break;
            }
            self.lingered += read;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = &mut *self;
        if wire.watch.expired.load(Ordering::Relaxed) {
            if wire.reply.is_empty() {
                wire.reply = refusal(Code::RequestTimeout);
            }
            return wire.poll_reply(context);
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut wire.stream).poll_read(context, buffer))?;
        let read = &buffer.filled()[before..];
        if !read.is_empty() {
            wire.saw(read);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = &mut *self;
        ready!(wire.poll_reply(context))?;
        if bytes.ends_with(b"\r\n\r\n")
            && let Some((start, code)) = bare_refusal(bytes)
        {
            wire.reply = bytes[..start].to_vec();
            wire.reply.extend_from_slice(&refusal(code));
            wire.sent = 0;
            wire.watch.linger();
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut wire.stream).poll_write(context, bytes);
        wire.watch.took(written.is_ready());
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_reply(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_reply(context))?;
        ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        if self.watch.linger.load(Ordering::Relaxed) {
            return self.poll_linger(context);
        }
        Poll::Ready(Ok(()))
    }
}

/// Where in `bytes` the library's own refusal begins, and the code that says the same.
fn bare_refusal(bytes: &[u8]) -> Option<(usize, Code)> {
    let window = bytes.len().saturating_sub(REFUSAL_MAX);
    let start = bytes[window..]
        .windows(7)
        .rposition(|part| part == b"HTTP/1.")?
        + window;
    let head = std::str::from_utf8(&bytes[start..]).ok()?;
    if !head.contains("content-length: 0\r\n") {
        return None;
    }
    let code = match head.get(9..12)? {
        "400" => Code::BadText,
        "414" => Code::UriTooLong,
        "431" => Code::HeadersTooLarge,
        _ => return None,
    };
    Some((start, code))
}

/// A whole answer for a request of which not even the path is certain.
fn refusal(code: Code) -> Vec<u8> {
    let body = Problem::new(code).document("");
    let status = http::StatusCode::from_u16(code.meaning().status).expect("the catalogue's");
    let mut answer = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        status.as_str(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    answer
}

/// Looks at the beginnings of lines for the two headers that must not stand in one head.
#[derive(Debug, Default)]
pub(super) struct Scan {
    line: [u8; LINE],
    /// Bytes of the current line, counted up to [`LINE`].
    length: usize,
    content_length: bool,
    transfer_encoding: bool,
}

const LINE: usize = b"transfer-encoding:".len();

impl Scan {
    /// Takes in the next bytes; whether some head has both headers.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> bool {
        let mut both = false;
        while let Some(end) = memchr(b'\n', bytes) {
            self.take(&bytes[..end]);
            both |= self.end_line();
            bytes = &bytes[end + 1..];
        }
        self.take(bytes);
        both
    }

    fn take(&mut self, bytes: &[u8]) {
        let taken = bytes.len().min(LINE - self.length);
        self.line[self.length..self.length + taken].copy_from_slice(&bytes[..taken]);
        self.length += taken;
    }

    fn end_line(&mut self) -> bool {
        let line = &self.line[..self.length];
        self.length = 0;
        let is =
            |name: &[u8]| line.len() >= name.len() && line[..name.len()].eq_ignore_ascii_case(name);
        if matches!(line, b"" | b"\r") {
            self.content_length = false;
            self.transfer_encoding = false;
        } else if is(b"content-length:") {
            self.content_length = true;
        } else if is(b"transfer-encoding:") {
            self.transfer_encoding = true;
        }
        self.content_length && self.transfer_encoding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "POST / HTTP/1.1\r\nContent-Length: 3\r\nhost: a\r\n\
        TRANSFER-ENCODING: chunked\r\n\r\n";
    const ONE: &str = "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}";
    const OTHER: &str = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";

    #[test]
    fn a_head_with_both_headers_is_seen_however_it_is_cut() {
        for size in 1..BOTH.len() {
            let mut scan = Scan::default();
            let seen = BOTH
                .as_bytes()
                .chunks(size)
                .fold(false, |seen, part| seen | scan.feed(part));
            assert!(seen, "cut every {size}");
        }
        assert!(Scan::default().feed(format!("{ONE}{BOTH}").as_bytes()));
        assert!(Scan::default().feed(BOTH.replace("\r\n", "\n").as_bytes()));
    }

    #[test]
    fn heads_with_one_header_each_are_not_mixed_up() {
        for heads in [
            ONE.repeat(2) + OTHER,
            format!("{OTHER}{ONE}"),
            OTHER.repeat(3),
        ] {
            assert!(!Scan::default().feed(heads.as_bytes()), "{heads}");
        }
        let quoted = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n4\r\n\
            \"content-length: transfer-encoding:\"\r\n0\r\n\r\n";
        assert!(!Scan::default().feed(quoted.as_bytes()));
    }

    #[test]
    fn only_bodiless_refusals_are_replaced() {
        let bare = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
            content-length: 0\r\ndate: Sat, 21 Nov 2026 11:00:00 GMT\r\n\r\n";
        assert_eq!(
            bare_refusal(bare.as_bytes()),
            Some((0, Code::HeadersTooLarge))
        );
        let after = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{{}}{bare}");
        let start = after.len() - bare.len();
        assert_eq!(
            bare_refusal(after.as_bytes()),
            Some((start, Code::HeadersTooLarge))
        );
        for other in [
            "HTTP/1.1 404 Not Found\r\ncontent-length: 120\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert_eq!(bare_refusal(other.as_bytes()), None, "{other}");
        }
    }

    const MOST: Ticks = Ticks {
        head: 2,
        idle: 9,
        stall: 3,
    };

    #[test]
    fn a_head_that_stalls_is_slow_and_a_quiet_connection_is_idle() {
        let watch = Watch::default();
        watch.begun.store(true, Ordering::Relaxed);
        assert_eq!([watch.tick(MOST), watch.tick(MOST)], [Pace::Fine; 2]);
        assert_eq!(watch.tick(MOST), Pace::Slow);
        watch.enter();
        for _ in 0..20 {
            assert_eq!(watch.tick(MOST), Pace::Fine);
        }
        watch.leave();
        for _ in 0..9 {
            assert_eq!(watch.tick(MOST), Pace::Fine);
        }
        assert_eq!(watch.tick(MOST), Pace::Idle);
    }

    #[test]
    fn who_takes_nothing_of_his_answer_is_stuck_even_while_more_is_made() {
        let watch = Watch::default();
        watch.enter();
        watch.took(false);
        let three = || [watch.tick(MOST), watch.tick(MOST), watch.tick(MOST)];
        assert_eq!(three(), [Pace::Fine; 3]);
        // Whoever takes a little has all the time again.
        watch.took(true);
        watch.took(false);
        assert_eq!(three(), [Pace::Fine; 3]);
        assert_eq!(watch.tick(MOST), Pace::Stuck);
    }

    #[test]
    fn an_answer_that_is_being_taken_is_not_cut_to_make_room() {
        let watch = Watch::default();
        watch.took(false);
        let crowded = Ticks { idle: 1, ..MOST };
        let three = || {
            [
                watch.tick(crowded),
                watch.tick(crowded),
                watch.tick(crowded),
            ]
        };
        assert_eq!(three(), [Pace::Fine; 3]);
        watch.took(true);
        assert_eq!(watch.tick(crowded), Pace::Idle);
    }
}
