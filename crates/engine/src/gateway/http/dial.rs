//! Opens connections, and looks at the very address before it does.
//!
//! A name is resolved once per connection; every address it resolves to must pass the guard, and
//! only those are tried, in their order. A connection notes whether it has been used and whether
//! anything came back since the last thing was sent: see [`Marks`].

use crate::gateway::outbound::{Outbound, Url};
use async_trait::async_trait;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How long one address is tried.
pub const CONNECT_MAX: Duration = Duration::from_secs(3);
/// How many addresses of a name are looked at and tried.
pub const ADDRESSES_MAX: usize = 8;

/// Who turns a name into addresses.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// The addresses of a host, in the order in which they are tried, each with the port.
    ///
    /// # Errors
    /// Whatever the resolver says; nothing is sent then.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// What is known of a connection besides its bytes.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Whether it has carried an answer before.
    pub(super) used: AtomicBool,
    /// Whether a byte came in since the last one went out.
    answered: AtomicBool,
}

impl Marks {
    /// Whether the other side had closed it before it saw what was sent last, as far as can be
    /// told: it had served us before, and said nothing this time.
    pub(super) fn went_stale(&self) -> bool {
        self.used.load(Ordering::Acquire) && !self.answered.load(Ordering::Acquire)
    }
}

/// The connector.
#[derive(Clone)]
pub(super) struct Dial {
    /// Nothing for the operator's own URLs.
    pub(super) guard: Option<Arc<Outbound>>,
    pub(super) names: Arc<dyn Resolve>,
}

impl Dial {
    async fn open(self, uri: Uri) -> io::Result<TokioIo<Line>> {
        let url = Url::parse(&uri.to_string()).map_err(io::Error::other)?;
        let addresses = self.addresses(&url).await?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            let opening = TcpStream::connect(address);
            match tokio::time::timeout(CONNECT_MAX, opening).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    let marks = Arc::new(Marks::default());
                    return Ok(TokioIo::new(Line { stream, marks }));
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }

    async fn addresses(&self, url: &Url) -> io::Result<Vec<SocketAddr>> {
        let mut addresses = match url.host().parse() {
            Ok(address) => vec![SocketAddr::new(address, url.port())],
            Err(_) => self.names.resolve(url.host(), url.port()).await?,
        };
        addresses.truncate(ADDRESSES_MAX);
        for address in &addresses {
            if let Some(guard) = &self.guard {
                let admitted = guard.admit(url.host(), address.ip(), address.port());
                admitted.map_err(io::Error::other)?;
            }
        }
        Ok(addresses)
    }
}

impl tower_service::Service<Uri> for Dial {
    type Response = TokioIo<Line>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Line>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().open(uri))
    }
}

/// An open connection.
pub(super) struct Line {
    stream: TcpStream,
    marks: Arc<Marks>,
}

impl Connection for Line {
    fn connected(&self) -> Connected {
        Connected::new().extra(Arc::clone(&self.marks))
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.marks.answered.store(true, Ordering::Release);
        }
        read
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.marks.answered.store(false, Ordering::Release);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.marks.answered.store(false, Ordering::Release);
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
}
