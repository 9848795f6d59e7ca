//! The broker port: topics of keyed messages, published by one half and read by the other.
//!
//! It promises what Kafka, RabbitMQ's quorum queues with confirms and SQS FIFO all keep, and no
//! more. What is answered as durable stays. An outcome may be unknown: then the same message is
//! published again under its id, so that it comes twice rather than never. Messages of one key
//! *first* come in the order in which they were published one after the other; how often one
//! comes, and where its repeats stand, is not promised, nor any order between keys.
//!
//! The halves are apart because the log itself is the embedded broker's topic: nothing is published
//! to it, so it has no [`Publisher`]. A broker decides nothing: it counts no attempts, parks
//! nothing and gives nothing up, which are its readers' affairs.

use async_trait::async_trait;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that a message may have at every broker, all of it counted ([`Message::size`]).
pub const ROOM: usize = 1 << 20;
/// While a group has fewer messages than this unacknowledged, others go on to come.
pub const UNACKED_MAX: usize = 4_096;

/// Why a text names nothing at a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a topic or group is named by a-z 0-9 and, between them, single dots and hyphens")]
pub struct BadName;

/// No underscore and no capital: brokers that know no dots have room for them.
fn check(text: &str, max: usize) -> Result<Arc<str>, BadName> {
    let plain = |part: &str| {
        let mut bytes = part.bytes();
        !part.is_empty() && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let fits = text.len() <= max && text.split(['.', '-']).all(plain);
    fits.then(|| Arc::from(text)).ok_or(BadName)
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a name.
            ///
            /// # Errors
            /// [`BadName`].
            pub fn new(text: &str) -> Result<Self, BadName> {
                check(text, $max).map(Self)
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Where messages are published: at most 40 characters, as in `evenkeel.order`.
    Topic,
    40
);
name!(
    /// Readers that share their work: at most 30 characters. What one of them has acknowledged, the
    /// group has.
    Group,
    30
);

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it is published.
    pub topic: Topic,
    /// Its own name, the same however often it is published: at most 128 visible ASCII characters.
    pub id: String,
    /// Messages of one key keep their order: at most 128 visible ASCII characters.
    pub key: String,
    /// At most eight: names of `a-z 0-9 -`, each once, and what they say in visible ASCII.
    pub headers: Vec<(String, String)>,
    /// Text: not every broker takes bytes that are none.
    pub body: String,
}

impl Message {
    /// How many bytes it has, all parts but its topic counted.
    #[must_use]
    pub fn size(&self) -> usize {
        let headers = self.headers.iter();
        let headers: usize = headers.map(|(name, text)| name.len() + text.len()).sum();
        self.id.len() + self.key.len() + headers + self.body.len()
    }
}

/// What became of a message that was to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// It is in the topic and survives the end of the broker's process.
    Durable,
    /// It surely is not there and will not be; the same message may be taken later.
    NotSent {
        /// For operators only.
        why: String,
    },
    /// It may be there, now or some time later. Published again it is there, perhaps twice.
    Unknown,
    /// It surely is not there, and this very message will never be taken.
    Refused {
        /// Why, in fewer than 200 bytes for operators. It is kept in the log, so it never quotes
        /// the message.
        why: String,
    },
}

/// The half that publishes.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Publishes messages, and waits for answers at most `timeout`: of each what became of it, in
    /// their order. No outcome depends on that of another.
    ///
    /// Of a key only the first message of a batch is sent, others are [`Published::NotSent`]: a
    /// failure of the first would turn their order. So whoever wants a key's order publishes its
    /// next message when the one before it is durable, and one of unknown outcome again before it.
    async fn publish(&self, batch: &[Message], timeout: Duration) -> Vec<Published>;

    /// Most bytes of a message, at least [`ROOM`]; a larger one is refused without being sent.
    fn size_max(&self) -> usize;
}

/// The broker did not do it, and what it did is not known. The text is for operators only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the broker does not serve: {0}")]
pub struct Unserved(pub String);

/// A message that was received, by a name that only its receiver knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt(pub u64);

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What to acknowledge.
    pub receipt: Receipt,
    /// The message.
    pub message: Message,
}

/// How far a topic reached at a moment: a number for each part that the broker has of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HighWater(pub Vec<u64>);

/// A broker, by its half that is read; the other one is behind [`Broker::publisher`].
#[async_trait]
pub trait Broker: Send + Sync {
    /// What publishes; nothing where the log itself is the topic, and what is committed is
    /// published by that.
    fn publisher(&self) -> Option<Arc<dyn Publisher>>;

    /// Joins a group of readers of a topic. The group is told of everything that became durable
    /// after it was joined for the first time, whether or not anybody reads then.
    ///
    /// # Errors
    /// [`Unserved`]; whether the group exists then is not known.
    async fn join(&self, topic: &Topic, group: &Group) -> Result<Box<dyn Receiver>, Unserved>;
}

/// A member of a group. Dropped without [`Receiver::leave`] it has crashed: what it did not
/// acknowledge comes to another member, at the latest when the broker has missed it for as long as
/// it is configured to. After an error it is of no more use.
#[async_trait]
pub trait Receiver: Send {
    /// What comes next, at most `max` messages; waits for the first at most `wait`. What was not
    /// acknowledged in the broker's time may come again meanwhile, also to this member; it holds
    /// up no other key.
    ///
    /// # Errors
    /// [`Unserved`].
    async fn receive(&mut self, max: usize, wait: Duration) -> Result<Vec<Received>, Unserved>;

    /// Says that messages need not come again. They do not, once the receiver has left, unless one
    /// that was received before them is unacknowledged: some brokers keep a checkpoint and no more.
    /// What is no longer this receiver's is passed over, and comes to another one.
    ///
    /// # Errors
    /// [`Unserved`]: they may come again.
    async fn acknowledge(&mut self, receipts: &[Receipt]) -> Result<(), Unserved>;

    /// Wants messages to come again, to this receiver or another of the group.
    ///
    /// # Errors
    /// [`Unserved`]: they come again all the same.
    async fn give_back(&mut self, receipts: &[Receipt]) -> Result<(), Unserved>;

    /// How far the topic reaches now; nothing at a broker that cannot tell what is before a mark.
    ///
    /// # Errors
    /// [`Unserved`].
    async fn high_water(&mut self) -> Result<Option<HighWater>, Unserved>;

    /// Whether the group has acknowledged everything that was durable when a mark was taken. A yes
    /// is certain; a no may be for want of having received further.
    ///
    /// # Errors
    /// [`Unserved`].
    async fn has_passed(&mut self, mark: &HighWater) -> Result<bool, Unserved>;

    /// Leaves in order: what was acknowledged is kept, what was not comes to another member.
    ///
    /// # Errors
    /// [`Unserved`]: as after a crash, acknowledged messages may come again.
    async fn leave(self: Box<Self>) -> Result<(), Unserved>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_at_every_broker() {
        for name in ["evenkeel.order", "a", "shop-2.intake", &"x".repeat(40)] {
            assert!(Topic::new(name).is_ok(), "{name}");
        }
        let long = "x".repeat(41);
        for name in ["", "Order", "a_b", ".a", "a.", "a..b", "a.-b", "ä", &long] {
            assert_eq!(Topic::new(name), Err(BadName), "{name}");
        }
        assert_eq!(Group::new(&"x".repeat(31)), Err(BadName));
    }
}
