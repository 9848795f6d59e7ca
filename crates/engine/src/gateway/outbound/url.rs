//! URLs that we may be asked to call.
//!
//! Parsed by `http::Uri`, which is also what the client connects with: the text that is judged and
//! the text that is used are one, so no second parser can read another host into it. What a
//! resolver might read as a number in disguise (`0x7f.1`, `2130706433`) is not a host here.

use http::Uri;
use http::uri::Scheme;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most characters of a URL.
pub const URL_MAX: usize = 2_048;

/// Why a URL is not called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// More than [`URL_MAX`] characters.
    #[error("a URL has at most 2048 characters")]
    Long,
    /// Not an absolute URL.
    #[error("this is not an absolute URL")]
    Syntax,
    /// Neither http nor https.
    #[error("a URL begins with http:// or https://")]
    Scheme,
    /// A name or a password before the host.
    #[error("a URL carries no credentials")]
    Credentials,
    /// Neither a name nor an address in its usual notation.
    #[error("the host is neither a name nor an IP address in its usual notation")]
    Host,
    /// Not between 1 and 65535.
    #[error("a port is between 1 and 65535")]
    Port,
    /// The program was built without the feature `tls`.
    #[error("https needs a build with the feature `tls`")]
    NoTls,
    /// Its address is not one of the public internet, and nothing allows it.
    #[error("the address is not allowed: {0}")]
    Blocked(&'static str),
}

/// A URL that has been looked at; where it leads has not been resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    uri: Uri,
    host: String,
    port: u16,
}

impl Url {
    /// Takes a URL's text. Everything from a `#` on is not part of it.
    ///
    /// # Errors
    /// Any [`Why`] but [`Why::Blocked`] and [`Why::NoTls`].
    pub fn parse(text: &str) -> Result<Self, Why> {
        if text.len() > URL_MAX {
            return Err(Why::Long);
        }
        let uri: Uri = text.parse().map_err(|_| Why::Syntax)?;
        let scheme = uri.scheme().ok_or(Why::Syntax)?;
        let standard = match scheme {
            scheme if *scheme == Scheme::HTTP => 80,
            scheme if *scheme == Scheme::HTTPS => 443,
            _ => return Err(Why::Scheme),
        };
        let authority = uri.authority().ok_or(Why::Syntax)?;
        if authority.as_str().contains('@') {
            return Err(Why::Credentials);
        }
        let host = host_of(authority.host()).ok_or(Why::Host)?;
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => standard,
            // An absent number behind the colon is not "the standard one".
            _ => authority.port_u16().unwrap_or(0),
        };
        if port == 0 {
            return Err(Why::Port);
        }
        Ok(Self { uri, host, port })
    }

    /// What the client connects with.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The host in lower case, without the brackets of an IPv6 address or a last dot.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, or the scheme's.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it needs TLS.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// The address, if the host says one without being resolved.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        let local = self.host == "localhost" || self.host.ends_with(".localhost");
        if local {
            return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        self.host.parse().ok()
    }

    /// Whether this build can call it.
    ///
    /// # Errors
    /// [`Why::NoTls`].
    pub fn callable(&self) -> Result<(), Why> {
        if self.is_https() && !cfg!(feature = "tls") {
            return Err(Why::NoTls);
        }
        Ok(())
    }
}

/// A host as it is compared and resolved.
pub(super) fn host_of(text: &str) -> Option<String> {
    if let Some(inner) = text.strip_prefix('[') {
        let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_string());
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(address.to_string());
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let last = name.rsplit('.').next()?;
    let well_formed = name.len() <= 253 && name.split('.').all(is_label);
    (well_formed && !is_number(last)).then_some(name)
}

fn is_label(label: &str) -> bool {
    let within = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len()) && label.bytes().all(within)
}

/// What a resolver may take for a part of an IPv4 address: `1`, `017`, `0x7f`.
fn is_number(label: &str) -> bool {
    let digits = label.strip_prefix("0x").unwrap_or(label);
    let hexadecimal = digits.len() < label.len();
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || hexadecimal && byte.is_ascii_hexdigit())
}
