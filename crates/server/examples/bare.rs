//! A bare handler: the same HTTP library, set up the same way, that reads a request's body and
//! always gives the same answer, a problem document as large as a real sold-out one.
//!
//! It is what the server would be if deciding cost nothing, so `evenkeel load --bare URL` drives
//! it in turn with the server and reports the ratio. It keeps nothing and decides nothing.
//!
//! ```text
//! cargo run --release --example bare -- --listen 127.0.0.1:7412
//! ```
#![expect(
    clippy::disallowed_methods,
    reason = "an example has no worker to run its tasks in"
)]

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use std::io::Write as _;
use tokio::net::TcpListener;

const SOLD_OUT: &str = concat!(
    r#"{"type":"urn:evenkeel:stock.sold_out","title":"Sold out","status":409,"#,
    r#""code":"stock.sold_out","detail":"Fewer units are available than were asked for. Units "#,
    r#"come back when a hold ends.","instance":"/v1/holds","#,
    r#""help":"/docs/errors/stock.sold_out","retryable":true,"as_of":"main.1:1031"}"#
);

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let listen = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => "127.0.0.1:7412".to_owned(),
        (Some("--listen"), Some(address)) => address,
        _ => anyhow::bail!("usage: bare [--listen ADDR]"),
    };
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve(&listen))
}

async fn serve(listen: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    writeln!(std::io::stdout(), "ready http://{}", listener.local_addr()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut builder = Builder::new(TokioExecutor::new());
            builder
                .http2()
                .max_concurrent_streams(256)
                .max_header_list_size(128 * 1024);
            // A client that goes away ends its connection and nothing else.
            let _ = builder
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    let body = request.into_body().collect().await?.to_bytes();
    let mut response = Response::new(Full::new(Bytes::from_static(SOLD_OUT.as_bytes())));
    // An empty body is nothing that a buyer sends; looking at it keeps the reading real.
    let status = if body.is_empty() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::CONFLICT
    };
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}
