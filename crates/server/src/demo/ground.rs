//! Where the demo takes place: a directory of its own, and ports for the engine and its providers.
//!
//! The directory goes when the demo does, unless somebody has a use for it.

use crate::client::outside;
use crate::webhook::new_secret;
use anyhow::Context as _;
use evenkeel_engine::clock::SystemIds;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// Below the range from which systems take ports for outgoing connections: a client that asks for
/// a port nobody listens on can otherwise be given that very port, and be connected to itself.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
const PORT_TRIES: u32 = 200;

/// A directory and an address.
#[derive(Debug)]
pub(super) struct Ground {
    root: PathBuf,
    acks: PathBuf,
    address: SocketAddr,
    bank: SocketAddr,
    secret: String,
    keeps: bool,
}

impl Ground {
    /// Makes the directory and finds a port.
    ///
    /// # Errors
    /// The directory cannot be made, or no port is free.
    pub(super) fn make(acks: Option<&Path>) -> anyhow::Result<Self> {
        let (address, bank) = free_addresses()?;
        let root = std::env::temp_dir().join(format!("evenkeel-demo-{}", outside::run_name()));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&root)
            .with_context(|| format!("cannot make {}", root.display()))?;
        let acks = acks.map_or_else(|| root.join("acks.jsonl"), Path::to_path_buf);
        Ok(Self {
            root,
            acks,
            address,
            bank,
            secret: new_secret(&SystemIds),
            keeps: false,
        })
    }

    /// The directory is not removed at the end.
    pub(super) fn keep(&mut self) {
        self.keeps = true;
    }

    /// The directory, when it stays.
    pub(super) fn kept(&self) -> Option<&Path> {
        self.keeps.then_some(&*self.root)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// What the server says on standard error.
    pub(super) fn log(&self) -> PathBuf {
        self.root.join("serve.log")
    }

    pub(super) fn token_file(&self) -> PathBuf {
        self.data().join("token")
    }

    pub(super) fn acks(&self) -> &Path {
        &self.acks
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the stand-in providers listen.
    pub(super) fn bank(&self) -> SocketAddr {
        self.bank
    }

    pub(super) fn bank_url(&self) -> String {
        format!("http://{}", self.bank)
    }

    /// What the providers sign with.
    pub(super) fn secret(&self) -> &str {
        &self.secret
    }

    /// What the providers were asked.
    pub(super) fn journal(&self) -> PathBuf {
        self.root.join("sandbox.jsonl")
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if !self.keeps {
            // What cannot be removed stays; there is nobody left to tell.
            let _ = std::fs::remove_dir_all(&self.root);
        }
    }
}

/// Two addresses that nobody listens on at the moment.
fn free_addresses() -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let mut rng = outside::chance();
    let mut found = Vec::new();
    for _ in 0..PORT_TRIES {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, rng.u16(PORTS)));
        if let Ok(listener) = TcpListener::bind(address) {
            found.push((address, listener));
        }
        if let [(one, _), (other, _)] = found.as_slice() {
            return Ok((*one, *other));
        }
    }
    anyhow::bail!("no free ports between {} and {}", PORTS.start, PORTS.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_goes_with_the_demo_unless_it_is_kept() {
        let ground = Ground::make(None).expect("a scratch directory");
        let root = ground.root.clone();
        assert!(root.is_dir() && ground.acks().starts_with(&root));
        drop(ground);
        assert!(!root.exists());

        let mut ground = Ground::make(Some(Path::new("acks.jsonl"))).expect("another one");
        assert_eq!(ground.acks(), Path::new("acks.jsonl"));
        let root = ground.root.clone();
        ground.keep();
        drop(ground);
        assert!(root.is_dir());
        std::fs::remove_dir_all(root).expect("it was ours");
    }
}
