//! The fold of callbacks, and of what was erased.
//!
//! A callback is kept as the hash of what came, its state and its reason. It stands under the
//! provider's id for it, which is its commit's key, so that the name index finds a second effect
//! of it; one without a key came a second time with another body, and is set aside at once. That
//! private texts were erased is a fact; which ones the log does not say.

use super::fold::{Fold, subject, wrong};
use super::privacy;
use super::report::{Book, Draft, Invariant, Kind as Wrong};
use super::rows::same_id;
use super::shelf::digest;
use super::stream::Stream;
use crate::body::ErasedData;
use crate::callback::{Callback, SetAside, State, Turn};
use crate::chain::{Entry, EntryEvent, hex};
use crate::commit::{Key, Received};
use evenkeel_rules::event::Kind;
use serde_json::json;

/// What is remembered of one callback.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallbackFold {
    pub(super) stream: Stream,
    /// Hash of what came; nothing if the row that stored it is lost.
    pub(super) core: Option<[u8; 16]>,
    pub(super) state: State,
    pub(super) why: Option<SetAside>,
}

/// Hash of what no event of a callback may change.
pub(super) fn core_hash(callback: &Callback) -> [u8; 16] {
    let core = Callback {
        state: State::Stored,
        why: None,
        ..callback.clone()
    };
    digest(&serde_json::to_vec(&core).expect("a callback is plain JSON"))
}

impl Fold {
    /// Takes a callback's event in.
    pub(super) fn callback_event(
        &mut self,
        entry: &Entry,
        event: &EntryEvent,
        book: &mut Book,
    ) -> Result<bool, String> {
        let created: u64 = event.id().parse().map_err(|_| "its id is no position")?;
        same_id(event, &created.to_string())?;
        let before = self.callbacks.get(&created).copied();
        let (after, _) = self.advance(before.map(|fold| fold.stream), event, book);
        let stream = Stream { created, ..after };
        let fold = if event.kind == Kind::CallbackStored {
            let callback: Callback = event.data()?;
            privacy::members(event, &callback, self.position, book);
            self.stored((entry, event), &callback, book);
            CallbackFold {
                stream,
                core: Some(core_hash(&callback)),
                state: callback.state,
                why: callback.why,
            }
        } else {
            let Turn { state, why } = event.data()?;
            let told = match event.kind {
                Kind::CallbackApplied => state == State::Applied && why.is_none(),
                _ => state == State::Quarantined && why.is_some(),
            };
            if !told || before.is_some_and(|before| before.state == state) {
                self.illegal(event, "the state that it shows is not what it leaves", book);
            }
            let core = before.and_then(|before| before.core);
            CallbackFold {
                stream,
                core,
                state,
                why,
            }
        };
        self.callbacks.insert(created, fold);
        Ok(true)
    }

    /// I6 and I7: a callback is born here, under the provider's id for it.
    fn stored(&self, (entry, event): (&Entry, &EntryEvent), callback: &Callback, book: &mut Book) {
        let again = callback.why == Some(SetAside::OtherBody);
        let begins = match callback.why {
            None => callback.state == State::Stored,
            Some(SetAside::OtherBody | SetAside::Contradicts) => {
                callback.state == State::Quarantined
            }
            Some(SetAside::UnknownOrder) => false,
        };
        let here = event.id() == self.position.to_string() && callback.stored_at == entry.at;
        if !here || !begins {
            self.illegal(event, "no callback begins like this", book);
        }
        book.checked(Invariant::I6, 1);
        let name = Key::of_callback(&Received {
            sender: callback.sender,
            provider: callback.provider.clone(),
            event: callback.event.clone(),
            order: callback.order.clone(),
            news: callback.news.clone(),
            raw: String::new(),
        })
        .name;
        let known = entry
            .key()
            .map(|(name, fingerprint)| (name, hex(&fingerprint)));
        let stands = match &known {
            Some((key, fingerprint)) => {
                !again && *key == name && callback.sha256.starts_with(fingerprint)
            }
            None => again,
        };
        if !stands {
            let draft = Draft {
                expected: json!({"key": hex(&name), "fingerprint": callback.sha256.get(..32)}),
                found: json!(known.map(|(key, print)| (hex(&key), print))),
                detail: "it is not stored under the provider's id for it".to_owned(),
                ..wrong(Wrong::KeyMissing, subject(event), self.position)
            };
            book.find(Invariant::I6, draft);
        }
    }

    /// Takes the fact in that private texts were erased.
    pub(super) fn erased_event(
        &mut self,
        entry: &Entry,
        event: &EntryEvent,
        book: &mut Book,
    ) -> Result<bool, String> {
        same_id(event, &self.position.to_string())?;
        let erased: ErasedData = event.data()?;
        privacy::members(event, &erased, self.position, book);
        if event.version != 1 || event.previous != 0 {
            self.illegal(event, "an erasure has no story", book);
        }
        self.secrets.erased_at(entry.at);
        Ok(true)
    }
}
