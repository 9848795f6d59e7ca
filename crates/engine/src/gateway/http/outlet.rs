//! Posts to subscribers, through the guard of URLs that somebody else wrote.

use super::HttpGateway;
use super::wire::{Heard, Sending};
use crate::cloud::MEDIA_TYPE;
use crate::port::{Outlet, Post, Posted};
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use std::time::Duration;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// Longest that a subscriber may ask to be left alone, in seconds.
const RETRY_AFTER_MAX: u64 = 3_600;

fn sending(post: &Post, uri: http::Uri) -> Option<Sending> {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(ID, post.id.parse().ok()?);
    headers.insert(TIMESTAMP, post.timestamp.parse().ok()?);
    headers.insert(SIGNATURE, post.signature.parse().ok()?);
    Some(Sending {
        method: Method::POST,
        uri,
        key: None,
        body: Bytes::copy_from_slice(&post.body),
        headers,
    })
}

#[async_trait]
impl Outlet for HttpGateway {
    async fn post(&self, post: &Post, timeout: Duration) -> Posted {
        let not_sent = |why: String| Posted::NotSent { why };
        let url = match self.providers.steps.check_url(&post.url) {
            Ok(url) => url,
            Err(why) => return not_sent(why.to_string()),
        };
        let Some(sending) = sending(post, url.uri().clone()) else {
            return not_sent("it is no request".to_owned());
        };
        match self.guarded.exchange(&sending, timeout).await {
            Heard::Answer {
                status,
                retry_after,
                ..
            } => Posted::Answer {
                status: status.as_u16(),
                retry_after: retry_after.map(|seconds| seconds.min(RETRY_AFTER_MAX)),
            },
            Heard::Nothing => Posted::Nothing,
            Heard::NotSent { why } => not_sent(why),
        }
    }
}
