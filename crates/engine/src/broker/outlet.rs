//! A broker as one more place that the relay posts to.
//!
//! One subscription, with [`URL`] for its URL, takes all events to the broker, with the relay's own
//! promises: the order of each stream, a checkpoint behind what is durable, retries for as long as
//! it takes. An unknown outcome is none of the answers that end a try, so the same event goes out
//! again under its id. Only what the broker refuses for good gets its stream parked.

use super::message;
use crate::port::{Outlet, Post, Posted, Published, Publisher};
use async_trait::async_trait;
use evenkeel_rules::ids::SubscriptionId;
use evenkeel_rules::subscription::{Ask, Filter};
use std::sync::Arc;
use std::time::Duration;

/// The URL of the subscription that leads to the broker. No client may name it: it is no address
/// of the web.
pub const URL: &str = "broker:";

/// The subscription by which all events go to the broker, from the first of the log on.
#[must_use]
pub fn ask() -> Ask {
    Ask {
        id: SubscriptionId::new("broker").expect("a well-formed id"),
        url: Some(URL.to_owned()),
        types: vec![Filter::new("*").expect("some events are published")],
        from: Some(1),
    }
}

/// Posts events of the subscription with [`URL`] to a broker's topics, all others to the web.
pub struct Topics {
    publisher: Arc<dyn Publisher>,
    web: Option<Arc<dyn Outlet>>,
}

impl Topics {
    /// A broker, and where everything else goes.
    #[must_use]
    pub fn new(publisher: Arc<dyn Publisher>, web: Option<Arc<dyn Outlet>>) -> Self {
        Self { publisher, web }
    }
}

#[async_trait]
impl Outlet for Topics {
    async fn post(&self, post: &Post, timeout: Duration) -> Posted {
        if post.url != URL {
            return match &self.web {
                Some(web) => web.post(post, timeout).await,
                None => Posted::NotSent {
                    why: "nothing here posts to the web".to_owned(),
                },
            };
        }
        let text = String::from_utf8(post.body.clone());
        let text = text.expect("an event is JSON text");
        let Some(message) = message(&post.stream, post.id.clone(), text) else {
            let why = "it has no topic".to_owned();
            return Posted::Refused { why };
        };
        let mut told = self.publisher.publish(&[message], timeout).await;
        match told.pop() {
            Some(Published::Durable) => Posted::Taken,
            Some(Published::Refused { why }) => Posted::Refused { why },
            Some(Published::NotSent { why }) => Posted::NotSent { why },
            Some(Published::Unknown) | None => Posted::Nothing,
        }
    }
}
