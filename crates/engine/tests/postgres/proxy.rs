//! A wire between the store and its server that can be cut where it hurts most: around a COMMIT.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What happens to the next COMMIT that comes by; the one after it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cut {
    /// Nothing.
    Nowhere = 0,
    /// It never arrives.
    Before = 1,
    /// It arrives, and what the server says of it is lost.
    Behind = 2,
}

/// A wire on a port of its own.
pub(crate) struct Proxy {
    port: u16,
    next: Arc<AtomicU8>,
}

impl Proxy {
    /// Lays a wire to a port of this machine.
    #[expect(clippy::disallowed_methods, reason = "the wire of a test")]
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a loopback port is to be had");
        let own = listener.local_addr().expect("it is bound").port();
        let next = Arc::new(AtomicU8::new(Cut::Nowhere as u8));
        let cut = Arc::clone(&next);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await;
                if let Ok(server) = server {
                    tokio::spawn(wire(client, server, Arc::clone(&cut)));
                }
            }
        });
        Self { port: own, next }
    }

    /// Says what becomes of the next COMMIT.
    pub(crate) fn next(&self, cut: Cut) {
        self.next.store(cut as u8, Ordering::SeqCst);
    }

    /// A URL that goes through the wire.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

/// Carries bytes both ways until one side ends or the wire is cut.
async fn wire(mut client: TcpStream, mut server: TcpStream, next: Arc<AtomicU8>) {
    let (mut asked, mut told) = ([0; 65_536], [0; 65_536]);
    loop {
        tokio::select! {
            biased;
            read = client.read(&mut asked) => {
                let bytes = match read {
                    Ok(1..) => &asked[..read.expect("it was read")],
                    Ok(_) | Err(_) => return,
                };
                let is_commit = bytes.windows(6).any(|six| six == b"COMMIT");
                let cut = if is_commit {
                    next.swap(Cut::Nowhere as u8, Ordering::SeqCst)
                } else {
                    Cut::Nowhere as u8
                };
                if cut == Cut::Before as u8 {
                    return;
                }
                if server.write_all(bytes).await.is_err() {
                    return;
                }
                if cut == Cut::Behind as u8 {
                    // The batch is done when the server is ready for more, in nobody's hearing.
                    let mut heard = Vec::new();
                    while !heard.ends_with(b"Z\0\0\0\x05I") {
                        match server.read(&mut told).await {
                            Ok(read @ 1..) => heard.extend_from_slice(&told[..read]),
                            Ok(_) | Err(_) => return,
                        }
                    }
                    return;
                }
            }
            read = server.read(&mut told) => {
                let bytes = match read {
                    Ok(1..) => &told[..read.expect("it was read")],
                    Ok(_) | Err(_) => return,
                };
                if client.write_all(bytes).await.is_err() {
                    return;
                }
            }
        }
    }
}
