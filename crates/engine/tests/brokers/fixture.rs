//! What a broker under test gives the suite, and a reader that says what it waits for.
//!
//! An adapter writes one [`Fixture`] and a line in `main.rs`. Nothing here sleeps: whoever waits
//! does so in [`Receiver::receive`].

use evenkeel_engine::port::{
    Broker, Group, Message, Published, Publisher, Receipt, Received, Receiver, Topic,
};
use std::sync::Arc;
use std::time::Duration;

/// How an answer to a publisher gets lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The message never arrives.
    Request,
    /// The message is there, and nobody hears of it.
    Answer,
    /// The message arrives when others published after it are there.
    Late,
}

/// A message that is durable, as its sender knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) key: String,
}

/// A broker under test.
pub(crate) trait Fixture: Sized {
    /// Longest that something may take which nobody has; shorter than a time-out by which what
    /// somebody has comes free.
    const PATIENCE: Duration;
    /// Longest until what a vanished reader had comes free.
    const MISSED: Duration;
    /// How long nothing comes where nothing is to come.
    const QUIET: Duration;
    /// Whether it can say what is before a mark.
    const MARKS: bool;

    /// A topic that exists from here on: the same for the same word.
    async fn topic(&self, word: &str) -> Topic;

    /// The broker, as a client in a process of its own sees it.
    async fn client(&self) -> Arc<dyn Broker>;

    /// Ends the broker where it stands, as `kill -9` does, with all that is not on its disk.
    async fn kill(&self);

    /// Starts it again on what its disk has.
    async fn restart(&self);

    /// Loses what is published next in this way; false where that cannot be brought about.
    fn lose(&self, lost: Lost) -> bool {
        let _ = lost;
        false
    }

    /// Makes a message of this key durable, the `round`th of it. A broker whose topic is the log
    /// commits something instead.
    async fn send(&self, topic: &Topic, key: &str, round: u64) -> Sent {
        let message = note(topic, key, round);
        let publisher = publisher(self).await;
        assert_eq!(one(&*publisher, &message).await, Published::Durable);
        let Message { id, key, .. } = message;
        Sent { id, key }
    }
}

/// A small message.
pub(crate) fn note(topic: &Topic, key: &str, round: u64) -> Message {
    Message {
        topic: topic.clone(),
        id: format!("main.1:{key}/{round}"),
        key: key.to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: format!("{{\"round\":{round}}}"),
    }
}

/// How long a publisher waits.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) async fn publisher<F: Fixture>(fixture: &F) -> Arc<dyn Publisher> {
    let publisher = fixture.client().await.publisher();
    publisher.expect("a broker that is published to has a publisher")
}

/// Publishes one message once.
pub(crate) async fn one(publisher: &dyn Publisher, message: &Message) -> Published {
    let batch = std::slice::from_ref(message);
    let mut told = publisher.publish(batch, TIMEOUT).await;
    assert_eq!(told.len(), 1, "an outcome for each message");
    told.pop().expect("one outcome")
}

/// Sends so many messages of each of some keys, in turn; all of them, in the order of sending.
pub(crate) async fn sends<F: Fixture>(
    fixture: &F,
    topic: &Topic,
    keys: &[&str],
    rounds: std::ops::Range<u64>,
) -> Vec<Sent> {
    let mut sent = Vec::new();
    for round in rounds {
        for key in keys {
            sent.push(fixture.send(topic, key, round).await);
        }
    }
    sent
}

/// A member of a group.
pub(crate) struct Reader {
    receiver: Box<dyn Receiver>,
    patience: Duration,
    quiet: Duration,
}

impl Reader {
    pub(crate) async fn join<F: Fixture>(fixture: &F, topic: &Topic, group: &str) -> Self {
        let group = Group::new(group).expect("a name");
        let client = fixture.client().await;
        let joined = client.join(topic, &group).await;
        Self {
            receiver: joined.expect("a running broker lets readers join"),
            patience: F::PATIENCE,
            quiet: F::QUIET,
        }
    }

    /// Joins in place of a member that vanished.
    pub(crate) async fn rejoin<F: Fixture>(fixture: &F, topic: &Topic, group: &str) -> Self {
        let mut reader = Self::join(fixture, topic, group).await;
        reader.patience += F::MISSED;
        reader
    }

    /// What comes next: at least one message.
    pub(crate) async fn some(&mut self, max: usize) -> Vec<Received> {
        let came = self.receiver.receive(max, self.patience).await;
        let came = came.expect("a running broker serves");
        assert!(!came.is_empty(), "nothing came in {:?}", self.patience);
        assert!(came.len() <= max, "more than were asked for");
        came
    }

    /// Whatever comes in a short while.
    pub(crate) async fn rest(&mut self) -> Vec<Received> {
        let mut all = Vec::new();
        loop {
            let came = self.receiver.receive(100, self.quiet).await;
            let came = came.expect("a running broker serves");
            if came.is_empty() {
                return all;
            }
            all.extend(came);
        }
    }

    pub(crate) async fn acknowledge(&mut self, came: &[Received]) {
        let receipts: Vec<Receipt> = came.iter().map(|it| it.receipt).collect();
        let done = self.receiver.acknowledge(&receipts).await;
        done.expect("a running broker serves");
    }

    pub(crate) async fn give_back(&mut self, came: &[Received]) {
        let receipts: Vec<Receipt> = came.iter().map(|it| it.receipt).collect();
        let done = self.receiver.give_back(&receipts).await;
        done.expect("a running broker serves");
    }

    /// Receives and acknowledges until all of these have come; everything that came.
    pub(crate) async fn all(&mut self, wanted: &[Sent]) -> Vec<Sent> {
        let mut came = Vec::new();
        while !wanted.iter().all(|sent| came.contains(sent)) {
            let some = self.some(7).await;
            self.acknowledge(&some).await;
            came.extend(some.iter().map(sent));
        }
        came
    }

    pub(crate) fn receiver(&mut self) -> &mut dyn Receiver {
        &mut *self.receiver
    }

    pub(crate) async fn leave(self) {
        let left = self.receiver.leave().await;
        left.expect("a running broker serves");
    }

    /// Ends without a word.
    pub(crate) fn crash(self) {
        drop(self.receiver);
    }
}

/// What a message says of itself.
pub(crate) fn sent(came: &Received) -> Sent {
    Sent {
        id: came.message.id.clone(),
        key: came.message.key.clone(),
    }
}

/// Each message where it came first.
pub(crate) fn firsts(came: &[Sent]) -> Vec<Sent> {
    let mut seen: Vec<Sent> = Vec::new();
    for one in came {
        if !seen.contains(one) {
            seen.push(one.clone());
        }
    }
    seen
}

/// What has a key, in its order.
pub(crate) fn of_key(all: &[Sent], key: &str) -> Vec<Sent> {
    all.iter().filter(|it| it.key == key).cloned().collect()
}
