//! Where the engine may be sent by what somebody else wrote.
//!
//! URLs of the configuration are the operator's and always allowed. The URL of a saga's step is
//! its author's: it must lead to public addresses only, or match [`Outbound`]'s list. The decision
//! falls on the very address that is about to be connected to, after the name was resolved, so a
//! name that resolves to one thing when it is checked and to another when it is used gains nothing.
//! [`Outbound::check_url`] is the early no: it resolves nothing, and its yes decides nothing.

use std::net::IpAddr;

mod ranges;
mod url;

use ranges::Net;
pub use url::{URL_MAX, Url, Why};

/// Why an entry of the list is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a network such as 10.1.0.0/16 nor a place such as stock.internal:8080")]
pub struct BadEntry(pub String);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// These addresses, at this port or at any.
    Net { net: Net, port: Option<u16> },
    /// Whatever this name resolves to, at this port: its DNS is trusted.
    Name { host: String, port: u16 },
}

/// Which addresses may be connected to for URLs that are not from the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    public: bool,
    entries: Vec<Entry>,
}

impl Default for Outbound {
    fn default() -> Self {
        Self::public()
    }
}

impl Outbound {
    /// The public internet and nothing else.
    #[must_use]
    pub fn public() -> Self {
        Self {
            public: true,
            entries: Vec::new(),
        }
    }

    /// The public internet, and what a list of networks (`10.1.0.0/16`) and places
    /// (`stock.internal:8080`, `127.0.0.1:9000`, `[::1]:9000`) allows.
    ///
    /// # Errors
    /// [`BadEntry`] for the first that is neither.
    pub fn public_and<S: AsRef<str>>(list: &[S]) -> Result<Self, BadEntry> {
        let entries = list.iter().map(|entry| entry_of(entry.as_ref()));
        Ok(Self {
            public: true,
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// What the list allows, and not the public internet.
    ///
    /// # Errors
    /// [`BadEntry`] for the first entry that is none.
    pub fn only<S: AsRef<str>>(list: &[S]) -> Result<Self, BadEntry> {
        Ok(Self {
            public: false,
            ..Self::public_and(list)?
        })
    }

    /// Refuses what can be refused without asking anybody: for when a URL is registered.
    ///
    /// # Errors
    /// [`Why`] it will never be called.
    pub fn check_url(&self, text: &str) -> Result<Url, Why> {
        let url = Url::parse(text)?;
        url.callable()?;
        if let Some(address) = url.address() {
            self.admit(url.host(), address, url.port())?;
        }
        Ok(url)
    }

    /// Whether a connection to an address may be opened for a URL with this host and port.
    ///
    /// # Errors
    /// [`Why::Blocked`] says what the address is.
    pub fn admit(&self, host: &str, address: IpAddr, port: u16) -> Result<(), Why> {
        let plain = ranges::plain(address);
        let listed = self.entries.iter().any(|entry| match entry {
            Entry::Net { net, port: at } => {
                net.holds(plain) && at.is_none_or(|allowed| allowed == port)
            }
            Entry::Name {
                host: name,
                port: at,
            } => name == host && *at == port,
        });
        if listed {
            return Ok(());
        }
        match ranges::not_public(plain) {
            Some(what) => Err(Why::Blocked(what)),
            None if self.public => Ok(()),
            None => Err(Why::Blocked("not on the list")),
        }
    }
}

/// [`Outbound::check_url`] where nothing but the public internet is allowed.
///
/// # Errors
/// [`Why`] it will never be called.
pub fn check_url(text: &str) -> Result<Url, Why> {
    Outbound::public().check_url(text)
}

fn entry_of(text: &str) -> Result<Entry, BadEntry> {
    net_of(text)
        .or_else(|| place_of(text))
        .ok_or_else(|| BadEntry(text.to_owned()))
}

fn net_of(text: &str) -> Option<Entry> {
    let (base, bits) = text.split_once('/')?;
    let net = Net::new(base.parse().ok()?, bits.parse().ok()?)?;
    Some(Entry::Net { net, port: None })
}

fn place_of(text: &str) -> Option<Entry> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
    let host = url::host_of(host)?;
    Some(match host.parse::<IpAddr>() {
        Ok(address) => Entry::Net {
            net: Net::one(ranges::plain(address)),
            port: Some(port),
        },
        Err(_) => Entry::Name { host, port },
    })
}

#[cfg(test)]
mod tests;
