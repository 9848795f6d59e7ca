//! The queue in many orders of its threads.
//!
//! A scheduler decides at every taking and giving up of the queue's lock who runs next, so that a
//! wake-up that is lost in one order in thousands is a deadlock that is found. Run with `cargo test
//! --release -p evenkeel-engine --features shuttle --test interleavings`; with `EVENKEEL_LONG` more
//! orders are tried of each. The last test plants the mistake that they are to find.

use evenkeel_engine::commit::{Command, Commit};
use evenkeel_engine::port::Touch;
use evenkeel_engine::queue::{Full, Queue, Told, Waiting};
use evenkeel_rules::ids::{HoldId, TokenId};
use shuttle::future::block_on;
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;
use std::collections::VecDeque;
use std::panic::catch_unwind;
use tokio::sync::{Notify, oneshot};

/// Orders that are tried, and where there is time.
const ORDERS: [usize; 2] = [2_000, 50_000];
/// Changes of thread that a run is aimed at.
const CHANGES: usize = 3;
/// Who pushes, and how often.
const PUSHERS: usize = 2;
const PUSHES: usize = 3;

fn orders() -> usize {
    let long = std::env::var_os("EVENKEEL_LONG").is_some_and(|value| !value.is_empty());
    ORDERS[usize::from(long)]
}

/// Runs a scenario in orders drawn evenly, and in orders with few changes of thread.
fn in_many_orders(scenario: fn()) {
    shuttle::check_random(scenario, orders());
    shuttle::check_pct(scenario, orders(), CHANGES);
}

fn waiting(id: &str) -> (Waiting, oneshot::Receiver<Told>) {
    let (answer, told) = oneshot::channel();
    let id = HoldId::new(id).expect("a well-formed id");
    let commit = Commit {
        command: Command::Release { id },
        key: None,
        actor: TokenId::new("t-1").expect("a well-formed id"),
        owner: None,
        expected: None,
        touch: Touch::default(),
    };
    let waiting = Waiting {
        commit,
        answer,
        deadline: None,
        widened: 0,
    };
    (waiting, told)
}

fn name(waiting: &Waiting) -> String {
    match &waiting.commit.command {
        Command::Release { id } => id.to_string(),
        other => unreachable!("nobody pushed {}", other.name()),
    }
}

/// Pushes; what was taken in, in order.
fn push(queue: &Queue, pusher: usize) -> Vec<String> {
    let mut taken_in = Vec::new();
    for number in 0..PUSHES {
        let id = format!("h-{pusher}-{number}");
        match queue.push(waiting(&id).0) {
            Ok(()) => taken_in.push(id),
            Err(Full::Busy | Full::Closed) => {}
        }
    }
    taken_in
}

/// Takes until the queue is closed and empty; what it got, in order. The first commit of each
/// pusher is put back once, as one that was widened is.
fn take_all(queue: &Queue) -> Vec<String> {
    let mut got = Vec::new();
    let mut again: Vec<String> = Vec::new();
    while let Some(batch) = block_on(queue.take()) {
        assert!(!batch.is_empty(), "a batch has commits");
        for waiting in batch {
            let id = name(&waiting);
            if id.ends_with("-0") && !again.contains(&id) {
                again.push(id);
                queue.push_back_in(vec![waiting]);
            } else {
                got.push(id);
            }
        }
    }
    got
}

fn pushers(queue: &Arc<Queue>) -> Vec<thread::JoinHandle<Vec<String>>> {
    let start = |pusher: usize| {
        let queue = Arc::clone(queue);
        thread::spawn(move || push(&queue, pusher))
    };
    (0..PUSHERS).map(start).collect()
}

#[test]
fn what_was_taken_in_is_taken_out_once() {
    in_many_orders(|| {
        let queue = Arc::new(Queue::new(PUSHES));
        let taker = Arc::clone(&queue);
        let taker = thread::spawn(move || take_all(&taker));
        let mut pushed: Vec<String> = Vec::new();
        for pusher in pushers(&queue) {
            pushed.extend(pusher.join().expect("a pusher comes to its end"));
        }
        queue.close();
        let mut got = taker.join().expect("the taker comes to its end");
        got.sort();
        pushed.sort();
        assert_eq!(got, pushed);
    });
}

#[test]
fn a_queue_that_is_closed_beside_its_pushers_keeps_what_it_took_in() {
    in_many_orders(|| {
        let queue = Arc::new(Queue::new(100));
        let (taker, closer) = (Arc::clone(&queue), Arc::clone(&queue));
        let taker = thread::spawn(move || take_all(&taker));
        let closer = thread::spawn(move || closer.close());
        let mut pushed: Vec<String> = Vec::new();
        for pusher in pushers(&queue) {
            pushed.extend(pusher.join().expect("a pusher comes to its end"));
        }
        closer.join().expect("closing comes to its end");
        let mut got = taker.join().expect("the taker comes to its end");
        got.sort();
        pushed.sort();
        assert_eq!(got, pushed, "taken in before it was closed");
    });
}

#[test]
fn nobody_waits_for_an_abandoned_queue() {
    in_many_orders(|| {
        let queue = Arc::new(Queue::new(100));
        let pusher = Arc::clone(&queue);
        let pusher = thread::spawn(move || {
            let (commit, told) = waiting("h-1");
            let pushed = pusher.push(commit);
            (pushed, told)
        });
        let leaver = Arc::clone(&queue);
        let leaver = thread::spawn(move || leaver.abandon());
        let got = take_all(&queue);
        leaver.join().expect("leaving comes to its end");
        let (pushed, mut told) = pusher.join().expect("the pusher comes to its end");
        let is_told = matches!(told.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert!(is_told, "{pushed:?}, {got:?}: its caller waits for ever");
    });
}

/// A queue with the mistake of old: whoever looks, finds nothing and only then begins to wait
/// misses a wake-up that is kept for nobody.
#[derive(Default)]
struct Forgetful {
    lane: Mutex<VecDeque<u32>>,
    wake: Notify,
}

impl Forgetful {
    fn push(&self, number: u32) {
        let mut lane = self.lane.lock().expect("a panic ends the run");
        lane.push_back(number);
        drop(lane);
        self.wake.notify_waiters();
    }

    async fn take(&self) -> u32 {
        loop {
            let first = self.lane.lock().expect("a panic ends the run").pop_front();
            match first {
                Some(number) => return number,
                None => self.wake.notified().await,
            }
        }
    }
}

#[test]
fn a_wake_up_that_is_lost_is_found() {
    let scenario = || {
        let queue = Arc::new(Forgetful::default());
        let pusher = Arc::clone(&queue);
        let pusher = thread::spawn(move || pusher.push(7));
        assert_eq!(block_on(queue.take()), 7);
        pusher.join().expect("the pusher comes to its end");
    };
    let found = catch_unwind(|| shuttle::check_random(scenario, 10_000));
    assert!(found.is_err(), "no order lost the wake-up");
}
