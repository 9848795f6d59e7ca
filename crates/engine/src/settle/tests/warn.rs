//! An order's customer is told that its time runs out: when it is due, once, and to no other end.

use super::*;
use crate::port::{DueRow, Fault, OrderRow, Store};
use crate::store::memory::MemoryStore;
use crate::testing::commit_warning;
use evenkeel_rules::ids::OrderId;
use evenkeel_rules::order::{Task, Told};

const WARN: Millis = Millis(60_000);

fn id() -> OrderId {
    OrderId::new("o-1").expect("a well-formed id")
}

fn take() -> Command {
    crate::testing::take("o-1", &[("lamp", 1)])
}

fn report(told: Told, seen: u64) -> Command {
    Command::Report {
        id: id(),
        task: Task::Charge,
        told,
        seen,
        random: u64::MAX,
        lease: None,
    }
}

fn warn(lease: Option<u64>) -> Command {
    Command::WarnOrder {
        id: id(),
        random: u64::MAX,
        lease,
    }
}

struct Shop {
    store: MemoryStore,
    now: LogTime,
}

impl Shop {
    async fn with_an_order() -> Self {
        let store = MemoryStore::new("main", [3; 16]);
        let mut shop = Self { store, now: NOW };
        shop.ask(put("lamp")).await;
        shop.ask(change("lamp", Change::Receive(units(5)))).await;
        shop.ask(take()).await;
        shop
    }

    /// What is told, and whether anything was logged.
    async fn ask(&mut self, command: Command) -> (Outcome, bool) {
        let (told, writes) = commit_warning(&self.store, self.now, &ask(command), WARN).await;
        let logs = writes.is_some_and(|writes| !writes.log.is_empty());
        (told, logs)
    }

    async fn row(&self) -> OrderRow {
        let row = self.store.order(&id()).await.expect("readable").rows;
        row.expect("it was taken")
    }

    async fn is_due(&self) -> bool {
        let due = self.store.due_rows(self.now, 9).await.expect("readable");
        let mine = |row: &DueRow| matches!(row, DueRow::Order(row) if row.body.id == id());
        due.rows.iter().any(mine)
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now.plus(Millis(ms));
    }
}

#[tokio::test]
async fn an_order_is_looked_at_when_it_is_to_be_told_and_told_once() {
    let mut shop = Shop::with_an_order().await;
    // The charge was tried, and is tried again in some seconds, on and on.
    shop.ask(report(Told::NotSent, 1)).await;
    let tried = shop.row().await;
    assert_eq!((tried.version, tried.tries.calls), (1, 1));
    shop.wait(839_990);
    shop.ask(report(Told::NotSent, 1)).await;
    let tried = shop.row().await;
    let moment = tried.body.limit.minus(WARN);
    assert_eq!(tried.due, Some(moment), "it is sooner than the next try");
    assert!(!shop.ask(warn(None)).await.1, "it is too early");
    assert!(!shop.is_due().await);
    shop.wait(10);
    assert!(shop.is_due().await);
    assert!(shop.ask(warn(None)).await.1);
    let told = shop.row().await;
    assert_eq!(told.version, 2);
    assert_eq!(told.tries, tried.tries, "what was tried stays tried");
    let due = told.due.expect("the charge is tried on");
    assert!(due > shop.now, "it is not looked at over and over");
    let (outcome, logs) = shop.ask(warn(None)).await;
    assert!(matches!(outcome, Outcome::Unchanged { .. }) && !logs);
    assert_eq!(shop.row().await, told);
}

#[tokio::test]
async fn what_became_of_a_call_counts_as_a_try_before_and_after() {
    let mut shop = Shop::with_an_order().await;
    shop.ask(report(Told::NotSent, 1)).await;
    shop.wait(840_000);
    shop.ask(warn(None)).await;
    shop.ask(report(Told::NotSent, 2)).await;
    assert_eq!(shop.row().await.tries.calls, 2);
}

#[tokio::test]
async fn nobody_is_told_once_the_money_is_there_or_the_limit_has_passed() {
    let mut shop = Shop::with_an_order().await;
    shop.wait(900_000);
    assert!(!shop.ask(warn(None)).await.1, "it is over");
    let mut shop = Shop::with_an_order().await;
    shop.ask(report(Told::Refused, 1)).await;
    shop.wait(850_000);
    assert!(!shop.ask(warn(None)).await.1, "it was declined");
}

#[tokio::test]
async fn whoever_lost_the_orders_shard_tells_nobody() {
    let mut shop = Shop::with_an_order().await;
    shop.wait(850_000);
    let fenced = ask(warn(Some(7)));
    let touch = Touch {
        orders: vec![id()],
        ..Touch::default()
    };
    let (_locked, view) = shop.store.lock(&touch).await.expect("lockable");
    let context = Context {
        clock: shop.now,
        batch: [2; 16],
        max_life: Millis(3_600_000),
        warn: WARN,
        allocation: &[],
    };
    let mut settled = settle(&mut Ledger::default(), view, &[&fenced], context);
    let verdict = settled.verdicts.pop().expect("one verdict");
    assert!(
        matches!(verdict, Verdict::Failed(Fault::Fenced)),
        "{verdict:?}"
    );
    assert!(settled.writes.is_none());
}
