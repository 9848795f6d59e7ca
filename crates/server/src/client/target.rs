//! Where requests go: `http://host:port`, checked once.

use anyhow::{Context as _, bail};
use std::fmt;
use std::sync::Arc;

/// An address to connect to and the `host` line that goes with it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    /// What is connected to: `host:port`, an IPv6 host in brackets.
    address: String,
    /// The whole header line.
    host_line: String,
}

impl Target {
    /// Takes `http://host`, `http://host:port`, with or without a slash at the end.
    ///
    /// # Errors
    /// Another scheme (there is no TLS here), a path, a user or an empty host; the text says which.
    pub(crate) fn new(url: &str) -> anyhow::Result<Self> {
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some((scheme, _)) => bail!("{url}: {scheme} is not spoken here, only http://HOST:PORT"),
            None => bail!("{url}: a URL begins with http://"),
        };
        let address = rest.strip_suffix('/').unwrap_or(rest);
        let plain = |b: u8| b.is_ascii_graphic() && !b"/?#@".contains(&b);
        if !address.bytes().all(plain) {
            bail!("{url}: only http://HOST:PORT is taken, without path, query or user");
        }
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (
                host,
                port.parse::<u16>()
                    .with_context(|| format!("{url}: {port} is no port"))?,
            ),
            Some(_) | None => (address, 80),
        };
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.is_empty() || (host.contains(':') && !bracketed) {
            bail!("{url}: {host:?} is no host name (an IPv6 address stands in brackets)");
        }
        let address = format!("{host}:{port}");
        let host_line = format!("host: {address}\r\n");
        Ok(Self(Arc::new(Parts { address, host_line })))
    }

    pub(crate) fn address(&self) -> &str {
        &self.0.address
    }

    pub(super) fn host_line(&self) -> &str {
        &self.0.host_line
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.address())
    }
}

#[cfg(test)]
mod tests;
