//! Holds as a shop writes them by hand: an HTTP handler in front of one Lua script in Redis.
//!
//! The same HTTP library as the server's, set up the same way. Each connection has one to Redis of
//! its own. It parses the body, looks at token and key, has the script take the unit, and answers
//! 201. It keeps no key, no log, no deadline that anybody watches: it is the least that serves.
//!
//! ```text
//! cargo run --release --example by_hand -- 127.0.0.1:7413 REDIS_HOST:PORT SHA TOKEN
//! ```
#![expect(
    clippy::disallowed_methods,
    reason = "an example has no worker to run its tasks in"
)]

#[path = "pound/script.rs"]
mod script;

use anyhow::{Context as _, bail};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde::Deserialize;
use std::io::Write as _;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// What all connections share.
struct Shop {
    redis: String,
    script: String,
    token: String,
}

#[derive(Deserialize)]
struct Wanted {
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    sku: String,
    quantity: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, redis, script, token] = &*arguments else {
        bail!("usage: by_hand ADDR REDIS_ADDR SHA TOKEN");
    };
    let shop = Arc::new(Shop {
        redis: redis.clone(),
        script: script.clone(),
        token: format!("Bearer {token}"),
    });
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(listen, shop))
}

async fn serve(listen: &str, shop: Arc<Shop>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    writeln!(std::io::stdout(), "ready http://{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let shop = Arc::clone(&shop);
        tokio::spawn(async move {
            let redis = TcpStream::connect(&shop.redis).await?;
            redis.set_nodelay(true)?;
            let redis = Arc::new(Mutex::new(redis));
            let service = service_fn(move |request| {
                let (shop, redis) = (Arc::clone(&shop), Arc::clone(&redis));
                async move { answer(&shop, &redis, request).await }
            });
            let builder = Builder::new(TokioExecutor::new());
            // A client that goes away ends its connection and nothing else.
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
            anyhow::Ok(())
        });
    }
}

async fn answer(
    shop: &Shop,
    redis: &Mutex<TcpStream>,
    request: Request<Incoming>,
) -> anyhow::Result<Response<Full<Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let known = parts.headers.get(AUTHORIZATION);
    if known.is_none_or(|value| value.as_bytes() != shop.token.as_bytes()) {
        return Ok(with(StatusCode::UNAUTHORIZED, "{}".to_owned()));
    }
    if !parts.headers.contains_key("idempotency-key") {
        return Ok(with(StatusCode::BAD_REQUEST, "{}".to_owned()));
    }
    let wanted: Wanted = serde_json::from_slice(&body)?;
    let line = wanted.lines.first().context("no line")?;
    if line.quantity != 1 {
        return Ok(with(StatusCode::UNPROCESSABLE_ENTITY, "{}".to_owned()));
    }
    let (hold, customer) = (fastrand::u128(..), fastrand::u128(..));
    let mut call = Vec::with_capacity(256);
    script::call(&mut call, &shop.script, (&line.sku, hold, customer));
    let held = ask(&mut *redis.lock().await, &call).await?;
    Ok(if held {
        let body = format!(
            "{{\"id\":\"h-{hold:032x}\",\"state\":\"held\",\"sku\":\"{}\",\"quantity\":1}}",
            line.sku
        );
        with(StatusCode::CREATED, body)
    } else {
        with(StatusCode::CONFLICT, "{}".to_owned())
    })
}

/// One call; the connection is this request's alone meanwhile.
async fn ask(redis: &mut TcpStream, call: &[u8]) -> anyhow::Result<bool> {
    redis.write_all(call).await?;
    let (mut came, mut filled) = ([0; 256], 0);
    loop {
        let read = redis.read(&mut came[filled..]).await?;
        filled += read;
        if let Some(held) = script::held(&came[..filled]) {
            return Ok(held);
        }
        if read == 0 {
            bail!("no answer of Redis");
        }
    }
}

fn with(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
