//! `serve`: the engine and its HTTP API, until a signal ends it.
//!
//! In this order: configuration, lock, listeners, stores, the first token, `ready`. Whoever reads
//! `ready http://ADDR` from the first line of standard output may ask at once. It ends cleanly on
//! SIGTERM and SIGINT: no new connection, what has begun is answered, what was acknowledged is on
//! disk already.
//!
//! It never goes on after a disk did not confirm a write: nobody knows what is on it, so the
//! process ends, without closing the store, and the next start reads what is.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use evenkeel_engine::committer::Broken;
use evenkeel_engine::store::sqlite::sync_dir;
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

use super::door::{Call, Inside, lock_of};
use super::failure::{Failure, Verdict, tell};
use super::process::{self, End, Ends};
use super::providers::Providers;
use super::stores::{self, Open};
use super::{output, start};
use crate::anchors::Anchors;
use crate::config::{Config, Given};
use crate::http;
use crate::lock::Lock;

/// The flags of `serve`.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory of stores, lock and first token [default: evenkeel-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:7411]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
}

pub(super) fn run(command: &Serve) -> Result<Verdict, Failure> {
    if start::variable("EVENKEEL_DIE_WITH_PARENT").is_some() {
        process::die_with_parent()?;
    }
    let listen = command.listen.iter();
    let flags = listen
        .map(|text| Given::flag("server.listen", "--listen", text))
        .collect();
    let loaded = start::configured(command.config.as_deref(), command.data.as_deref(), flags)?;
    let config = loaded.config;
    start::runtime()?.block_on(serve(&config))
}

async fn serve(config: &Config) -> Result<Verdict, Failure> {
    let recorder = http::install_metrics();
    let recorder = recorder.map_err(|error| Failure::Refused(error.to_string()))?;
    let traces = start::begin_logs(config)?;
    let mut ends = Ends::listen()?;
    let mut lock = lock_of(&config.data)?;
    // Before the stores: a start that cannot listen leaves no store and no token behind.
    let listeners = Listeners::bind(config).await?;
    let providers = Providers::of(config, &url_of(&listeners.main)?).await?;
    let open = stores::to_write(config, Some((recorder, &providers))).await?;
    anchor(config, &open).await?;
    let told = providers.sandbox().map(str::to_owned);
    let (end, ended) = watch::channel(false);
    let work = async {
        let served = with_stores(config, &open, (&mut lock, listeners, told), &mut ends).await;
        open.engine.stop().await;
        providers.stop().await;
        let _nobody_traces = end.send(true);
        served
    };
    let (served, ()) = tokio::join!(work, traces.run(ended));
    if open.engine.broken() == Some(Broken::Disk) {
        // Closing the store would carry its log over once more, believe a sync that only the first
        // time told the truth, and delete the log. The next start writes all of it anew.
        std::mem::forget(open);
    }
    served
}

/// Notes where the log stands, for `verify` to compare with later.
async fn anchor(config: &Config, open: &Open) -> Result<(), Failure> {
    let head = open.engine.head().await;
    let head = head.map_err(|fault| stores::told(config, &fault))?;
    let anchors = Anchors::of(&config.data);
    let written = anchors
        .follow(&head)
        .and_then(|()| anchors.add_start(head.position, &head.hash));
    written.map_err(|error| Failure::Unreachable(format!("anchors: {error}")))
}

async fn with_stores(
    config: &Config,
    open: &Open,
    (lock, Listeners { main, admin }, sandbox): (&mut Lock, Listeners, Option<String>),
    ends: &mut Ends,
) -> Result<Verdict, Failure> {
    first_token(config, open).await?;
    let url = url_of(&main)?;
    let held = lock.announce(&url);
    held.map_err(|error| Failure::Refused(format!("the lock cannot be written: {error}")))?;
    output::line(&format!("ready {url}"))?;
    if let Some(sandbox) = sandbox {
        output::line(&format!("sandbox {sandbox}"))?;
    }

    let (stop, stopped) = watch::channel(false);
    let admin = async {
        if let Some(listener) = admin {
            http::serve(
                listener,
                Arc::clone(&open.api),
                http::Door::Admin,
                stopped.clone(),
            )
            .await;
        }
    };
    let main = http::serve(
        main,
        Arc::clone(&open.api),
        http::Door::Main,
        stopped.clone(),
    );
    let watched = async {
        let why = ends.any(&open.engine).await;
        let _nobody_listens = stop.send(true);
        why
    };
    let ((), (), why) = tokio::join!(main, admin, watched);
    match why {
        End::Asked => Ok(Verdict::True),
        End::Broken(Broken::Log) => Err(Failure::Unreachable(
            "the log was restored under this process; start again to go on with it".to_owned(),
        )),
        End::Broken(Broken::Disk) => Err(Failure::Unreachable(
            "the disk did not confirm a write; start again to read what is on it".to_owned(),
        )),
    }
}

/// Makes sure that somebody can ask: with no token in the store, one is made for this machine's
/// own address, and refused for any other, where whoever reads the file first would be admin.
async fn first_token(config: &Config, open: &Open) -> Result<(), Failure> {
    let inside = Inside::new(&open.api);
    let tokens = inside.value(&Call::get("/v1/tokens?limit=1")).await?;
    if tokens["items"]
        .as_array()
        .is_some_and(|items| !items.is_empty())
    {
        return Ok(());
    }
    let directory = config.data.display();
    if !config.listen.ip().is_loopback() {
        return Err(Failure::Usage(format!(
            "there is no token in {directory}, and {} is not this machine's own address\n\
             make one first: evenkeel token create --role admin --data {directory}",
            config.listen
        )));
    }
    let made = Call::post("/v1/tokens", None, json!({"role": "admin"}));
    let made = inside.value(&made).await?;
    let path = config.data.join("token");
    let secret = made["token"].as_str().unwrap_or_default();
    let written = write_private(&path, secret);
    written.map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))?;
    tell(&format!("wrote an admin token to {}", path.display()));
    Ok(())
}

/// Writes a secret so that only its owner can read it; an older file of that name is replaced.
fn write_private(path: &Path, secret: &str) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    let _was_not_there = std::fs::remove_file(&beside);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    writeln!(file, "{secret}")?;
    file.sync_all()?;
    std::fs::rename(beside, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Connections that the system keeps until they are accepted; it may have a smaller bound of its
/// own. Beyond it a client's system tries again after a second, and then after two: the rush at the
/// beginning of a sale must fit.
const BACKLOG: u32 = 4_096;

/// Where requests come in.
struct Listeners {
    main: TcpListener,
    /// Health and metrics, where they have an address of their own.
    admin: Option<TcpListener>,
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Self, Failure> {
        let main = bound(config.listen, "server.listen").await?;
        let admin = match config.admin_listen {
            Some(address) => Some(bound(address, "server.admin_listen").await?),
            None => None,
        };
        Ok(Self { main, admin })
    }
}

/// Listens on an address that the configuration's key, or the flag, `key` names.
pub(super) async fn bound(address: SocketAddr, key: &str) -> Result<TcpListener, Failure> {
    listening(address).map_err(|error| {
        let message = format!("{key}: cannot listen on {address}: {error}");
        match error.kind() {
            std::io::ErrorKind::AddrInUse => Failure::Unreachable(format!(
                "{message}\nend what listens there, or name another address: --listen ADDR"
            )),
            _ => Failure::Usage(message),
        }
    })
}

fn listening(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A server that was just killed leaves connections behind; its address is free all the same.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Where a listener is reached from this machine: an address that stands for all is its own.
pub(super) fn url_of(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr();
    let mut address = address.map_err(|error| Failure::Refused(error.to_string()))?;
    if address.ip().is_unspecified() {
        let own: std::net::IpAddr = match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(own);
    }
    Ok(format!("http://{address}"))
}
