//! One connection, used for one exchange after the other.
//!
//! Kept: while an exchange runs the stream is out of the struct, and comes back only after a whole
//! answer with nothing behind it. Whatever ends an exchange early (error, time-out, the future
//! dropped) therefore ends the connection, and the next exchange makes a new one.

use super::reply::{self, Framing, Head, Malformed, Reply};
use super::request::{self, BreaksLine, Outgoing};
use super::{Target, outside};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For a connection.
    pub(crate) connect: Duration,
    /// For a whole answer, from the first byte sent.
    pub(crate) answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            answer: Duration::from_secs(30),
        }
    }
}

/// Why there is no answer. Only `Connect` says that the server cannot have seen the request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// There is no connection.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// The answer did not come in time: the outcome is unknown.
    #[error("no answer in time")]
    Timeout,
    /// The connection ended before the answer did: the outcome is unknown.
    #[error("the connection broke: {0}")]
    Reset(#[source] io::Error),
    /// What came was no answer: the outcome is unknown.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The request was never sent.
    #[error(transparent)]
    Unsendable(#[from] BreaksLine),
}

impl Broken {
    /// The word for it in reports and acks: `connect`, `timeout` or `reset`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Connect(_) | Self::Unsendable(_) => "connect",
            Self::Timeout => "timeout",
            Self::Reset(_) | Self::Malformed(_) => "reset",
        }
    }
}

const READ_AT_ONCE: usize = 16 * 1024;
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A connection to one target, made when it is needed.
#[derive(Debug)]
pub(crate) struct Wire {
    target: Target,
    limits: Limits,
    stream: Option<TcpStream>,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    unchunked: Vec<u8>,
}

impl Wire {
    /// Not connected yet.
    pub(crate) fn new(target: &Target, limits: Limits) -> Self {
        Self {
            target: target.clone(),
            limits,
            stream: None,
            outgoing: Vec::with_capacity(512),
            incoming: vec![0; READ_AT_ONCE],
            unchunked: Vec::new(),
        }
    }

    /// A connection of an earlier exchange is there; the server may have closed it meanwhile.
    pub(crate) fn is_kept(&self) -> bool {
        self.stream.is_some()
    }

    async fn dial(&self) -> Result<TcpStream, Broken> {
        let stream = outside::within(
            self.limits.connect,
            TcpStream::connect(self.target.address()),
        )
        .await
        .unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
        .map_err(Broken::Connect)?;
        stream.set_nodelay(true).map_err(Broken::Connect)?;
        Ok(stream)
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// [`Broken`]; all but `Connect` and `Unsendable` leave the outcome unknown.
    pub(crate) async fn exchange(&mut self, request: &Outgoing<'_>) -> Result<Reply<'_>, Broken> {
        request::write(&mut self.outgoing, &self.target, request)?;
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.dial().await?,
        };
        let (head, filled) = outside::within(self.limits.answer, self.converse(&mut stream))
            .await
            .unwrap_or(Err(Broken::Timeout))?;
        let (body, end): (&[u8], usize) = match head.body {
            Framing::Length(length) => (
                &self.incoming[head.length..head.length + length],
                head.length + length,
            ),
            Framing::Chunked => (&self.unchunked, filled),
            Framing::UntilClose => (&self.incoming[head.length..filled], filled),
        };
        if !head.close && end == filled {
            self.stream = Some(stream);
        }
        let position = head
            .position
            .and_then(|at| std::str::from_utf8(&self.incoming[at]).ok());
        Ok(Reply {
            status: head.status,
            body,
            position,
            replayed: head.replayed,
            retry_after: head.retry_after,
        })
    }

    /// Writes the request, reads until the answer is whole: its head, and the bytes read.
    async fn converse(&mut self, stream: &mut TcpStream) -> Result<(Head, usize), Broken> {
        stream
            .write_all(&self.outgoing)
            .await
            .map_err(Broken::Reset)?;
        let mut filled = 0;
        let mut known = None;
        loop {
            if self.incoming.len() - filled < READ_AT_ONCE / 4 {
                if filled > MAX_ANSWER {
                    return Err(Malformed("it does not end").into());
                }
                self.incoming.resize(self.incoming.len() * 2, 0);
            }
            let read = stream
                .read(&mut self.incoming[filled..])
                .await
                .map_err(Broken::Reset)?;
            filled += read;
            let head = match known.take() {
                Some(head) => head,
                None => match self.head(&mut filled)? {
                    Some(head) => head,
                    None if read == 0 => return Err(ended()),
                    None => continue,
                },
            };
            if self.is_whole(&head, filled, read)? {
                return Ok((head, filled));
            }
            if read == 0 {
                return Err(ended());
            }
            known = Some(head);
        }
    }

    /// The head of the answer proper, which may have come in one piece with informational ones.
    fn head(&mut self, filled: &mut usize) -> Result<Option<Head>, Malformed> {
        loop {
            match reply::head(&self.incoming[..*filled])? {
                Some(head) if head.status < 200 => {
                    self.incoming.copy_within(head.length..*filled, 0);
                    *filled -= head.length;
                }
                found => return Ok(found),
            }
        }
    }

    fn is_whole(&mut self, head: &Head, filled: usize, read: usize) -> Result<bool, Malformed> {
        Ok(match head.body {
            Framing::Length(length) => filled - head.length >= length,
            Framing::Chunked => {
                let body = &self.incoming[head.length..filled];
                reply::chunks(body, &mut self.unchunked)?.is_some()
            }
            Framing::UntilClose => read == 0,
        })
    }
}

fn ended() -> Broken {
    Broken::Reset(io::ErrorKind::UnexpectedEof.into())
}

#[cfg(test)]
mod tests;
