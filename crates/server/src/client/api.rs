//! The convenient way: JSON in, an owned answer out, connections kept for the next request.
//!
//! A [`Pool`] bounds how many connections are open at once; who comes when all are in use waits.
//! An [`Api`] is a pool and a token; both are cheap to clone.

use super::request::{Caller, Outgoing};
use super::wire::{Broken, Limits, Wire};
use super::{Reply, Target};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Connections to one target.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    target: Target,
    limits: Limits,
    idle: Mutex<Vec<Wire>>,
    free: Semaphore,
}

impl Pool {
    /// At most `size` connections at once.
    pub(crate) fn new(target: &Target, limits: Limits, size: usize) -> Self {
        Self(Arc::new(Shared {
            target: target.clone(),
            limits,
            idle: Mutex::new(Vec::new()),
            free: Semaphore::new(size),
        }))
    }

    pub(crate) fn target(&self) -> &Target {
        &self.0.target
    }

    /// A connection for oneself, given back when dropped; the one used last comes first.
    pub(crate) async fn wire(&self) -> PooledWire<'_> {
        let permit = self
            .0
            .free
            .acquire()
            .await
            .expect("the semaphore is never closed");
        let kept = self.0.idle.lock().pop();
        let wire = kept.unwrap_or_else(|| Wire::new(&self.0.target, self.0.limits));
        PooledWire {
            wire: Some(wire),
            pool: &self.0,
            _permit: permit,
        }
    }
}

/// A [`Wire`] on loan from a [`Pool`].
pub(crate) struct PooledWire<'a> {
    wire: Option<Wire>,
    pool: &'a Shared,
    _permit: SemaphorePermit<'a>,
}

impl Deref for PooledWire<'_> {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        self.wire.as_ref().expect("it is there until dropped")
    }
}

impl DerefMut for PooledWire<'_> {
    fn deref_mut(&mut self) -> &mut Wire {
        self.wire.as_mut().expect("it is there until dropped")
    }
}

impl Drop for PooledWire<'_> {
    fn drop(&mut self) {
        self.pool.idle.lock().extend(self.wire.take());
    }
}

/// A server and the token to ask it with.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pool: Pool,
    caller: Caller,
}

/// A request that came to an answer, of whatever status.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl From<Reply<'_>> for Answer {
    fn from(reply: Reply<'_>) -> Self {
        Self {
            status: reply.status,
            body: reply.body.to_vec(),
        }
    }
}

impl Answer {
    /// The status is 2xx.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as a value.
    ///
    /// # Errors
    /// The body is not JSON of this shape.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(&self.body)
    }

    /// The body of a success as a value; a problem document as an error to show to a person.
    ///
    /// # Errors
    /// [`Failure::Refused`] for any other status, [`Failure::Shape`] for a body of another shape.
    pub(crate) fn value<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if self.is_success() {
            return self.json().map_err(Failure::Shape);
        }
        let problem: serde_json::Value = self.json().unwrap_or_default();
        let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
        Err(Failure::Refused {
            status: self.status,
            code: text("code"),
            detail: text("detail"),
        })
    }
}

/// Why a command has no value to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no answer.
    #[error("{target}: {broken}")]
    Broken {
        /// Where it was sent.
        target: Target,
        /// What happened.
        #[source]
        broken: Broken,
    },
    /// The server said no.
    #[error("{status} {code}: {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The problem's code, empty when the answer was no problem document.
        code: String,
        /// The problem's detail.
        detail: String,
    },
    /// A success, but not of the expected shape.
    #[error("the answer has another shape: {0}")]
    Shape(#[source] serde_json::Error),
}

impl Failure {
    /// No server was reached: exit code 3 for a command.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Broken {
                broken: Broken::Connect(_) | Broken::Timeout,
                ..
            }
        )
    }
}

impl Api {
    /// A server, asked as `caller` over the connections of a pool.
    pub(crate) fn new(pool: &Pool, caller: Caller) -> Self {
        Self {
            pool: pool.clone(),
            caller,
        }
    }

    /// Reads.
    ///
    /// # Errors
    /// [`Failure::Broken`] when there is no answer; a refusal is an answer.
    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send("GET", path, None, None).await
    }

    /// Does something once, under a key; sending it again with the same key and body is safe.
    ///
    /// # Errors
    /// [`Failure::Broken`] when there is no answer; a refusal is an answer.
    pub(crate) async fn post(
        &self,
        path: &str,
        key: &str,
        body: &serde_json::Value,
    ) -> Result<Answer, Failure> {
        self.send("POST", path, Some(key), Some(body)).await
    }

    /// Makes something be as the body says.
    ///
    /// # Errors
    /// [`Failure::Broken`] when there is no answer; a refusal is an answer.
    pub(crate) async fn put(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<Answer, Failure> {
        self.send("PUT", path, None, Some(body)).await
    }

    /// Takes something away.
    ///
    /// # Errors
    /// [`Failure::Broken`] when there is no answer; a refusal is an answer.
    pub(crate) async fn delete(
        &self,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Answer, Failure> {
        self.send("DELETE", path, None, body).await
    }

    /// Posts just these bytes, which are JSON and were signed; the receiver knows repeats itself.
    ///
    /// # Errors
    /// [`Failure::Broken`] when there is no answer; a refusal is an answer.
    pub(crate) async fn deliver(&self, path: &str, body: &[u8]) -> Result<Answer, Failure> {
        self.send_bytes("POST", path, None, Some(body)).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&serde_json::Value>,
    ) -> Result<Answer, Failure> {
        let body = body.map(ToString::to_string);
        let body = body.as_deref().map(str::as_bytes);
        self.send_bytes(method, path, key, body).await
    }

    async fn send_bytes(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&[u8]>,
    ) -> Result<Answer, Failure> {
        let request = Outgoing {
            method,
            path,
            caller: &self.caller,
            key,
            body,
        };
        let mut wire = self.pool.wire().await;
        let kept = wire.is_kept();
        let mut outcome = wire.exchange(&request).await.map(Answer::from);
        // The server may have closed a kept connection while nobody looked.
        if kept && matches!(outcome, Err(Broken::Reset(_))) {
            outcome = wire.exchange(&request).await.map(Answer::from);
        }
        outcome.map_err(|broken| Failure::Broken {
            target: self.pool.target().clone(),
            broken,
        })
    }
}
