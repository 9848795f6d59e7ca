//! A shop whose history is written by the judge itself, one batch a command, on the test's clock.

use evenkeel_engine::commit::{Command, Commit, Key, Outcome, Rejection};
use evenkeel_engine::ledger::Ledger;
use evenkeel_engine::port::{Fault, Store, Touch};
use evenkeel_engine::settle::{Context, Verdict, settle};
use evenkeel_rules::hold::{Place, Wanted};
use evenkeel_rules::ids::{CustomerId, HoldId, LocationId, SkuId, TokenId};
use evenkeel_rules::money::{Currency, Money};
use evenkeel_rules::quantity::Quantity;
use evenkeel_rules::sku::Terms;
use evenkeel_rules::stock::Change;
use evenkeel_rules::time::{LogTime, Millis};
use evenkeel_rules::token::Role;

/// Where the wall clock begins.
pub(crate) const START: i64 = 1_800_000_000_000_000;

pub(crate) struct Shop<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) now: i64,
    /// How long before their limits the customers of orders are told.
    pub(crate) warn: Millis,
    batch: u64,
}

pub(crate) fn sku(id: &str) -> SkuId {
    SkuId::new(id).expect("a well-formed id")
}

pub(crate) fn hold(id: &str) -> HoldId {
    HoldId::new(id).expect("a well-formed id")
}

pub(crate) fn units(units: u64) -> Quantity {
    Quantity::new(units).expect("a quantity")
}

pub(crate) fn put(id: &str, name: &str) -> Command {
    let currency = Currency::new("EUR").expect("EUR is in the list");
    let terms = Terms {
        sku: sku(id),
        name: name.to_owned(),
        price: Money::price(1999, currency).expect("a price"),
        max_per_order: None,
        max_per_customer: None,
        sale: None,
    };
    Command::PutSku { terms }
}

pub(crate) fn change(id: &str, change: Change) -> Command {
    Command::ChangeStock {
        sku: sku(id),
        location: LocationId::main(),
        change,
        reference: None,
        reason: None,
    }
}

pub(crate) fn receive(id: &str, count: u64) -> Command {
    change(id, Change::Receive(units(count)))
}

pub(crate) fn place(id: &str, lines: &[(&str, u64)], ttl_ms: u64) -> Command {
    let line = |(id, count): &(&str, u64)| Wanted {
        sku: sku(id),
        location: LocationId::main(),
        quantity: units(*count),
    };
    Command::Place(Place {
        id: hold(id),
        customer: CustomerId::new("c-1").expect("a well-formed id"),
        lines: lines.iter().map(line).collect(),
        ttl: Millis(ttl_ms),
    })
}

pub(crate) fn confirm(id: &str, lines: Option<&[(&str, u64)]>) -> Command {
    let Command::Place(wanted) = place(id, lines.unwrap_or_default(), 1) else {
        unreachable!("a place was made");
    };
    Command::Confirm {
        id: hold(id),
        lines: lines.map(|_| wanted.lines),
    }
}

pub(crate) fn release(id: &str) -> Command {
    Command::Release { id: hold(id) }
}

impl<'a> Shop<'a> {
    pub(crate) fn new(store: &'a dyn Store) -> Self {
        Self {
            store,
            now: START,
            warn: Millis(0),
            batch: 0,
        }
    }

    pub(crate) fn wait(&mut self, ms: i64) {
        self.now += ms * 1_000;
    }

    /// Runs a command under a key, in the scope of no customer.
    pub(crate) async fn run(&mut self, key: &str, command: Command) -> Outcome {
        let intent = format!("{command:?}");
        let key = (!key.is_empty()).then(|| Key::new(None, key, &[intent.as_bytes()]));
        self.commit(key, command).await
    }

    pub(crate) async fn commit(&mut self, key: Option<Key>, command: Command) -> Outcome {
        let mut touch = Touch {
            keys: key.iter().map(|key| key.name).collect(),
            ..Touch::default()
        };
        let commit = Commit {
            command,
            key,
            actor: TokenId::new("t-1").expect("a well-formed id"),
            owner: None,
            expected: None,
            touch: Touch::default(),
        };
        self.batch += 1;
        self.wait(1);
        loop {
            let (lock, view) = self.store.lock(&touch).await.expect("the store answers");
            let mut batch = [0; 16];
            batch[..8].copy_from_slice(&self.batch.to_be_bytes());
            let context = Context {
                clock: LogTime::from_micros(self.now),
                batch,
                max_life: Millis(3_600_000),
                warn: self.warn,
                allocation: &[],
            };
            let mut settled = settle(&mut Ledger::default(), view, &[&commit], context);
            match settled.verdicts.pop().expect("one verdict a commit") {
                Verdict::Told(outcome) => {
                    if let Some(writes) = &settled.writes {
                        lock.finish(writes).await.expect("the store writes");
                    }
                    return outcome;
                }
                Verdict::Widen(more) => touch.widen(*more),
                Verdict::Failed(fault) => panic!("{fault}"),
            }
        }
    }

    /// Ends what is due, as the sweep does.
    pub(crate) async fn sweep(&mut self) -> Result<(), Fault> {
        let due = self.store.due(LogTime::from_micros(self.now), 100).await?;
        for row in due.rows {
            let id = row.hold.id;
            self.run("", Command::Expire { id }).await;
        }
        Ok(())
    }

    /// Every kind of row, and every kind of ending.
    pub(crate) async fn open(&mut self) {
        self.run("put-1", put("lamp", "Lamp")).await;
        self.run("put-2", put("desk", "Desk")).await;
        self.run("rec-1", receive("lamp", 10)).await;
        self.run("rec-2", receive("desk", 5)).await;
        let id = TokenId::new("t-2").expect("a well-formed id");
        let token = Command::CreateToken {
            id: id.clone(),
            role: Role::Staff,
            customer: None,
            secret: [7; 32],
        };
        self.run("tok-1", token).await;
        self.run("p-1", place("h-1", &[("lamp", 2)], 600_000)).await;
        let both = [("lamp", 1), ("desk", 1)];
        self.run("p-2", place("h-2", &both, 600_000)).await;
        self.run("c-1", confirm("h-1", Some(&[("lamp", 1)]))).await;
        self.run("p-3", place("h-3", &[("lamp", 3)], 600_000)).await;
        self.run("r-2", release("h-2")).await;
        let extend = Command::Extend {
            id: hold("h-3"),
            ttl: Millis(700_000),
        };
        self.run("e-3", extend).await;
        self.run("adj-1", change("lamp", Change::WriteOff(units(1))))
            .await;
        self.run("put-3", put("lamp", "Better lamp")).await;
        for (key, command) in [
            ("f-1", release("h-1")),
            ("f-2", confirm("h-2", None)),
            ("f-3", place("h-1", &[("lamp", 1)], 600_000)),
        ] {
            self.refused(key, command).await;
        }
        self.run("p-4", place("h-4", &[("lamp", 1)], 2_000)).await;
        self.wait(2_000);
        self.sweep().await.expect("the store answers");
        self.run("p-5", place("h-5", &[("lamp", 1)], 600_000)).await;
        self.run("tok-2", Command::RevokeToken { id }).await;
        self.run("p-6", place("h-6", &[("desk", 2)], 600_000)).await;
        self.run("c-6", confirm("h-6", None)).await;
    }

    async fn refused(&mut self, key: &str, command: Command) -> Rejection {
        match self.run(key, command).await {
            Outcome::Refused { rejection, .. } if rejection.is_final() => rejection,
            other => panic!("{other:?}"),
        }
    }
}
