//! Where callbacks go: the URL of a request, taken apart once.

use crate::client::Target;
use crate::http::fields::{self, Fields};
use std::sync::Arc;

/// Longest URL.
const URL_MAX: usize = 512;

/// A server and a path on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) target: Target,
    pub(super) path: Arc<str>,
}

impl Address {
    /// Takes `http://host:port/path`; there is no TLS here.
    pub(super) fn new(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let at = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(at);
        let path = if path.is_empty() { "/" } else { path };
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if url.len() > URL_MAX || !path.bytes().all(plain) {
            return None;
        }
        let target = Target::new(&format!("{scheme}://{host}")).ok()?;
        Some(Self {
            target,
            path: Arc::from(path),
        })
    }

    /// The `callback_url` of a body; without one nobody is called.
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Option<Option<Self>> {
        fields.optional("callback_url", |value| {
            Self::new(fields::text(value)?).ok_or("url")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_server_and_a_path() {
        for (url, path) in [
            (
                "http://127.0.0.1:7411/v1/callbacks/payment/x",
                "/v1/callbacks/payment/x",
            ),
            ("http://localhost:80", "/"),
            ("http://[::1]:80/a?b=c", "/a?b=c"),
        ] {
            let address = Address::new(url).expect(url);
            assert_eq!(&*address.path, path);
        }
    }

    #[test]
    fn what_cannot_be_called_is_no_address() {
        let long = format!("http://h:1/{}", "p".repeat(URL_MAX));
        for url in [
            "",
            "127.0.0.1:1/x",
            "https://127.0.0.1/x",
            "file:///etc/passwd",
            "http:///x",
            "http://a@b/x",
            "http://a:99999/x",
            "http://a/x y",
            "http://a/x\r\nhost: b",
            "http://a/x#y",
            &long,
        ] {
            assert_eq!(Address::new(url), None, "{url}");
        }
    }
}
