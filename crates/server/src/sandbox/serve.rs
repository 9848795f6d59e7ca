//! Listening: one task a connection, bounded in number, ended with the sandbox.
//!
//! An exchange whose answer is to get lost is one that fails: the HTTP library then closes the
//! connection without a byte. Every effect was done before that, so that it does not depend on
//! whether the client waits.

use super::Sandbox;
use super::outcome::{Ending, Outcome};
use crate::http::{measured, read_body};
use bytes::Bytes;
use http::header::EXPECT;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Most connections; who comes then waits.
const CONNECTIONS_MAX: usize = 1_024;
/// How long a head may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How long a connection is held whose answer gets lost: longer than any client waits.
const HELD: Duration = Duration::from_secs(10);
/// How long connections may take to end.
const FAREWELL: Duration = Duration::from_millis(500);
/// How long nothing is accepted after the system refused a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// The answer got lost.
#[derive(Debug, thiserror::Error)]
#[error("the answer is withheld")]
struct Lost;

/// Serves until `stop` turns true, or its sender is gone.
#[expect(
    clippy::disallowed_methods,
    reason = "the one home of the sandbox's connections: counted, and ended with it"
)]
pub(super) async fn serve(listener: TcpListener, sandbox: Arc<Sandbox>, mut stop: Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let room = connections.len() < CONNECTIONS_MAX;
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_ended) = connections.join_next() => continue,
            accepted = listener.accept(), if room => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, Arc::clone(&sandbox), stop.clone()));
            }
            // Out of file descriptors, or a client that is gone already: others wait their turn.
            Err(_) => sandbox.clock.sleep(PAUSE).await,
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    let _late = timeout(FAREWELL, ended).await;
    connections.abort_all();
}

async fn connection(stream: TcpStream, sandbox: Arc<Sandbox>, mut stop: Receiver<bool>) {
    let _unset = stream.set_nodelay(true);
    let service = service_fn(|request| exchange(&sandbox, request));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME);
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        _ended = served.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => served.as_mut().graceful_shutdown(),
    }
    let _ended = served.await;
}

async fn exchange(
    sandbox: &Sandbox,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Lost> {
    let (parts, body) = request.into_parts();
    let payload = read_body(body, parts.headers.contains_key(EXPECT)).await;
    let outcome = measured(&parts, payload).and_then(|body| sandbox.answer(&parts, &body));
    let Outcome {
        response,
        after,
        ending,
    } = outcome.unwrap_or_else(|problem| Outcome::from(problem.render(parts.uri.path())));
    if !after.is_zero() {
        sandbox.clock.sleep(after).await;
    }
    match ending {
        Ending::Answered => Ok(response.map(Full::new)),
        Ending::Cut => Err(Lost),
        Ending::Held => {
            sandbox.clock.sleep(HELD).await;
            Err(Lost)
        }
    }
}
