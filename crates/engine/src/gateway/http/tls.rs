//! What a connection goes through before HTTP is spoken on it: an end to waiting, and TLS.
//!
//! One TLS stack, rustls with ring and the roots of the web's browsers, behind the feature `tls`.
//! The guard of [`Dial`] sits below it, so it sees the address of an https URL as well.

use super::dial::Dial;
use http::Uri;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_service::Service;

/// How long opening a connection takes at most, from the name to the end of the TLS handshake,
/// whether or not anybody still waits for it.
pub const OPEN_MAX: Duration = Duration::from_secs(10);

#[cfg(feature = "tls")]
type Inner = hyper_rustls::HttpsConnector<Dial>;
#[cfg(not(feature = "tls"))]
type Inner = Dial;

/// The whole connector.
#[derive(Clone)]
pub(super) struct Connector(Inner);

impl Connector {
    #[cfg(feature = "tls")]
    pub(super) fn new(dial: Dial) -> Self {
        let builder = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .expect("ring speaks the versions of TLS that rustls has by default");
        Self(builder.https_or_http().enable_http1().wrap_connector(dial))
    }

    #[cfg(not(feature = "tls"))]
    pub(super) fn new(dial: Dial) -> Self {
        Self(dial)
    }
}

type Opened = <Inner as Service<Uri>>::Response;

impl Service<Uri> for Connector {
    type Response = Opened;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Opened>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Neither of the two inner ones ever makes its caller wait here.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let opening = self.0.call(uri);
        Box::pin(async move {
            match tokio::time::timeout(OPEN_MAX, opening).await {
                Ok(opened) => opened.map_err(io::Error::other),
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            }
        })
    }
}
