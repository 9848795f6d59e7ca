//! A history of sagas over anybody's services that writes every kind of event of theirs.

use crate::chain::{Entry, hex};
use crate::commit::{Command, Commit};
use crate::port::Store;
use crate::store::memory::MemoryStore;
use crate::testing::{self, NOW, ask, keyed};
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::{SagaId, StepName};
use evenkeel_rules::saga::Nature;
use evenkeel_rules::saga::journey::{Ask, GIVE_UP_AFTER, Step, Told};
use evenkeel_rules::time::{LogTime, Millis};

fn id(number: u32) -> SagaId {
    SagaId::new(&format!("trip-{number}")).expect("a well-formed id")
}

fn start(number: u32) -> Command {
    let step = |name: &str, nature, undo: bool| Step {
        name: StepName::new(name).expect("a well-formed name"),
        url: format!("https://{name}.example/book"),
        undo_url: undo.then(|| format!("https://{name}.example/cancel")),
        nature,
        timeout: Millis(2_000),
    };
    Command::StartSaga {
        ask: Box::new(Ask {
            id: id(number),
            steps: vec![
                step("flight", Nature::Compensatable, true),
                step("pay", Nature::Pivot, false),
                step("mail", Nature::Retriable, false),
            ],
            give_up_after: GIVE_UP_AFTER,
            bodies: Some("d53d".to_owned()),
        }),
        bodies: "[{\"seat\":\"12 A\"},null,null]".to_owned(),
    }
}

/// Whoever writes the history.
pub(super) struct Scribe {
    store: MemoryStore,
    clock: LogTime,
    /// The rows: hash and text.
    pub(super) shown: String,
    /// What happened.
    pub(super) kinds: Vec<Kind>,
}

impl Scribe {
    async fn write(&mut self, asked: Commit) {
        self.clock = self.clock.plus(Millis(1));
        let (told, writes) = testing::commit(&self.store, self.clock, &asked).await;
        let writes = writes.unwrap_or_else(|| panic!("{told:?}"));
        for row in writes.log {
            let entry = Entry::read(&row.text).expect("it is readable");
            self.kinds
                .extend(entry.events.iter().map(|event| event.kind));
            let text = String::from_utf8(row.text).expect("a text is text");
            self.shown.push_str(&format!("{} {text}\n", hex(&row.hash)));
        }
    }

    async fn told(&mut self, number: u32, told: Told) {
        let row = self.store.saga(&id(number)).await.expect("readable").rows;
        let row = row.expect("it exists");
        let report = Command::ReportStep {
            id: id(number),
            turn: row.body.turn().expect("it needs a call"),
            told,
            seen: row.version,
            random: 1,
            lease: None,
        };
        self.write(ask(report)).await;
    }
}

/// The history.
pub(super) async fn history() -> Scribe {
    let mut scribe = Scribe {
        store: super::released(5),
        clock: NOW,
        shown: String::new(),
        kinds: Vec::new(),
    };
    let reason = || Some("rang up".to_owned());
    scribe.write(keyed("k-1", start(1))).await;
    for told in [Told::Unknown, Told::Done, Told::Done, Told::Refused] {
        scribe.told(1, told).await;
    }
    let (id_1, id_2) = (id(1), id(2));
    let retry = Command::RetrySaga {
        id: id_1,
        reason: reason(),
    };
    scribe.write(keyed("k-2", retry)).await;
    scribe.told(1, Told::Done).await;
    scribe.write(keyed("k-3", start(2))).await;
    let turn = Command::CompensateSaga {
        id: id_2,
        reason: reason(),
    };
    scribe.write(keyed("k-4", turn)).await;
    scribe.told(2, Told::Done).await;
    scribe.write(keyed("k-5", start(3))).await;
    scribe.clock = scribe.clock.plus(GIVE_UP_AFTER);
    scribe.told(3, Told::NotSent).await;
    scribe
}
