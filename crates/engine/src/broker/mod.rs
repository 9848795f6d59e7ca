//! The brokers, behind [`crate::port::Broker`], and how an event becomes a message.
//!
//! An event of the stream `order:o-1` is a message of the topic `evenkeel.order` under the key
//! `o-1`, whichever broker it goes to: its id is the event's, its body the CloudEvent. Only what
//! subscribers may be told of has a topic. An adapter decides nothing; each keeps the promises of
//! one suite (`tests/brokers`).

mod embedded;
mod outlet;

pub use embedded::Embedded;
pub use outlet::{Topics, URL, ask};

use crate::cloud::MEDIA_TYPE;
use crate::port::{Message, Topic};
use evenkeel_rules::event::Aggregate;

/// What the name of every topic of events begins with.
pub const PREFIX: &str = "evenkeel.";
/// The header that says what a body is.
pub const CONTENT_TYPE: &str = "content-type";

/// The topic of an aggregate's events; nothing if they are nobody else's.
#[must_use]
pub fn topic(aggregate: Aggregate) -> Option<Topic> {
    let name = || Topic::new(&format!("{PREFIX}{}", aggregate.word()));
    let public = aggregate.is_public();
    public.then(|| name().expect("an aggregate's word is a short lower-case one"))
}

/// The aggregate that a topic has the events of.
#[must_use]
pub fn aggregate(of: &Topic) -> Option<Aggregate> {
    let word = of.as_str().strip_prefix(PREFIX)?;
    let mut all = Aggregate::ALL.into_iter();
    all.find(|it| it.is_public() && it.word() == word)
}

/// An event of a stream as a message; nothing if it has no topic.
fn message(stream: &str, id: String, body: String) -> Option<Message> {
    let (aggregate, key) = Aggregate::split(stream)?;
    Some(Message {
        topic: topic(aggregate)?,
        id,
        key: key.to_owned(),
        headers: vec![(CONTENT_TYPE.to_owned(), MEDIA_TYPE.to_owned())],
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_aggregate_that_others_may_know_has_a_topic_of_its_own() {
        for one in Aggregate::ALL {
            assert_eq!(
                topic(one).and_then(|it| aggregate(&it)).is_some(),
                one.is_public()
            );
            assert!(topic(one).is_none_or(|it| aggregate(&it) == Some(one)));
        }
        let order = topic(Aggregate::Order).expect("orders are published");
        assert_eq!(order.as_str(), "evenkeel.order");
        for other in ["evenkeel.token", "evenkeel", "order", "evenkeel.orders"] {
            let other = Topic::new(other).expect("a name");
            assert_eq!(aggregate(&other), None, "{other}");
        }
    }

    #[test]
    fn an_event_is_a_message_under_the_id_of_its_aggregate() {
        let made = message(
            "hold:cart:c-1:lamp",
            "main.1:3/0".to_owned(),
            "{}".to_owned(),
        );
        let made = made.expect("holds are published");
        assert_eq!(
            (made.topic.as_str(), &*made.key),
            ("evenkeel.hold", "cart:c-1:lamp")
        );
        assert_eq!(
            made.headers,
            [(CONTENT_TYPE.to_owned(), MEDIA_TYPE.to_owned())]
        );
        assert_eq!(message("token:t-1", String::new(), String::new()), None);
    }
}
