//! Ten times what can be written is asked for, and then no more.
//!
//! The disk is a slow one, so that what can be written in a second is little and the same on every
//! machine, and the rest of the machine is free to ask. Requests come at their times, not after
//! the answers to those before them: each takes a connection that is free.

use crate::run::times;
use crate::server::{Server, handles};
use crate::wire::{request, whole};
use crate::{alone, now, percentile};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

/// How long a sync takes. A batch has at most 1,024 commits.
const SYNC_MS: u64 = 400;
/// Who asks at once when the peak is measured: two batches.
const PEAK: usize = 2_048;
/// Connections of the flood: those that wait for a batch, and room for refusals.
const FLOOD: usize = 5_000;
/// How many times the peak is asked for.
const TIMES: f64 = 10.0;

/// What was answered in a while.
#[derive(Debug, Default)]
struct Answers {
    accepted: Vec<Duration>,
    refused: BTreeMap<u16, u64>,
    /// Refusals without a time to come back.
    untimed: u64,
    others: BTreeMap<u16, u64>,
    asked: u64,
}

struct Flood {
    address: String,
    token: String,
    numbers: Cell<u64>,
    answers: RefCell<Answers>,
    until: Cell<Option<Instant>>,
    /// When the next request is to be sent, if not as soon as a connection is free.
    next: Cell<Option<Instant>>,
    every: Cell<Duration>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "requests are sent at their times"
)]
async fn at(time: Instant) {
    tokio::time::sleep_until(time.into()).await;
}

impl Flood {
    fn new(server: &Server) -> Rc<Self> {
        Rc::new(Self {
            address: server.address().to_owned(),
            token: server.token(),
            numbers: Cell::default(),
            answers: RefCell::default(),
            until: Cell::default(),
            next: Cell::default(),
            every: Cell::default(),
        })
    }

    fn place(&self) -> String {
        let number = self.numbers.replace(self.numbers.get() + 1);
        let line = r#"{"customer":"c-1","lines":[{"sku":"lamp","quantity":1}]}"#;
        let key = format!("flood-{number}");
        request("POST /v1/holds", (&self.token, &key), line)
    }

    /// Waits for the time of the next request; nothing when there is none any more.
    async fn turn(&self) -> Option<()> {
        let mine = self.next.get();
        if let Some(mine) = mine {
            self.next.set(Some(mine + self.every.get()));
            at(mine).await;
        }
        let until = self.until.get().expect("a flood has an end");
        (mine.unwrap_or_else(now).max(now()) < until).then_some(())
    }

    async fn ask(&self, stream: &mut TcpStream) {
        let (request, asked) = (self.place(), now());
        let sent = stream.write_all(request.as_bytes()).await;
        sent.expect("the server reads");
        let mut bytes = Vec::with_capacity(2_048);
        let reply = loop {
            if let Some((reply, _)) = whole(&bytes) {
                break reply;
            }
            let read = stream.read_buf(&mut bytes).await.expect("an answer");
            assert!(read > 0, "a connection was closed before its answer");
        };
        let mut answers = self.answers.borrow_mut();
        answers.asked += 1;
        match reply.status {
            201 => answers.accepted.push(asked.elapsed()),
            429 | 503 => {
                let wait = reply.header("retry-after").map(str::parse::<u64>);
                answers.untimed += u64::from(!matches!(wait, Some(Ok(1..=60))));
                *answers.refused.entry(reply.status).or_default() += 1;
            }
            other => *answers.others.entry(other).or_default() += 1,
        }
    }

    /// Asks for a while over so many connections; `every` so often, or whenever one is free.
    #[expect(
        clippy::disallowed_methods,
        reason = "each connection is a task of the test"
    )]
    fn run(self: &Rc<Self>, count: usize, time: Duration, every: Option<Duration>) -> Answers {
        let (runtime, tasks) = (runtime(), LocalSet::new());
        runtime.block_on(tasks.run_until(async {
            let mut streams = Vec::with_capacity(count);
            for _ in 0..count {
                let stream = TcpStream::connect(&self.address).await;
                streams.push(stream.expect("the system takes it"));
            }
            self.until.set(Some(now() + time));
            self.next.set(every.map(|_| now()));
            self.every.set(every.unwrap_or_default());
            let one = |mut stream: TcpStream| {
                let flood = Rc::clone(self);
                tokio::task::spawn_local(async move {
                    while flood.turn().await.is_some() {
                        flood.ask(&mut stream).await;
                    }
                })
            };
            let asking: Vec<_> = streams.into_iter().map(one).collect();
            for task in asking {
                task.await.expect("each is answered");
            }
        }));
        self.answers.take()
    }
}

fn runtime() -> Runtime {
    let built = Builder::new_current_thread().enable_all().build();
    built.expect("a runtime for clients")
}

fn a_second(count: usize, time: Duration) -> f64 {
    let count = u32::try_from(count).expect("fewer than 2^32");
    f64::from(count) / time.as_secs_f64()
}

/// How long after the flood one who asks alone is answered as before it.
fn back_to_normal(flood: &Rc<Flood>, bound: Duration) -> Duration {
    let begun = now();
    loop {
        let alone = flood.run(1, Duration::from_millis(1), None);
        let normal = alone.accepted.iter().any(|time| *time <= bound);
        if normal {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "never again");
    }
}

#[test]
fn ten_times_the_capacity_is_refused_in_time_and_the_rest_is_served() {
    let _alone = alone();
    let server = Server::start_on_slow_disk(SYNC_MS);
    server.stock("lamp", 50_000_000);
    let flood = Flood::new(&server);
    let time = Duration::from_secs(times(6, 30));
    let peak_time = Duration::from_secs(times(5, 15));
    let mut base = flood.run(1, Duration::from_secs(3), None).accepted;
    let base = percentile(&mut base, 50);
    let peak = flood.run(PEAK, peak_time, None);
    let peak = a_second(peak.accepted.len(), peak_time);

    let every = Duration::from_secs_f64(1.0 / (peak * TIMES));
    let begun = now();
    let room = usize::try_from(handles().saturating_sub(400)).unwrap_or(FLOOD);
    let mut told = flood.run(FLOOD.min(room), time, Some(every));
    // Until the last is answered, as for the peak.
    let took = begun.elapsed();
    let back = back_to_normal(&flood, base * 3 + Duration::from_millis(200));

    let good = a_second(told.accepted.len(), time);
    let asked = a_second(usize::try_from(told.asked).expect("few"), time);
    let p99 = percentile(&mut told.accepted, 99);
    println!(
        "flood of {time:?} (over after {took:.1?}): peak {peak:.0}/s, asked {asked:.0}/s ({:.1} \
         times), accepted {good:.0}/s ({:.2} of the peak), p99 {p99:.2?} (alone {base:.2?}), \
         refused {:?}, others {:?}, normal again after {back:.2?}",
        asked / peak,
        good / peak,
        told.refused,
        told.others
    );
    assert!(told.others.is_empty(), "{:?}", told.others);
    assert_eq!(told.untimed, 0, "each refusal says when to come back");
    assert!(good >= 0.8 * peak, "{good:.0} of {peak:.0}");
    // The flood comes through only if refusals are quick.
    assert!(asked >= 5.0 * peak, "only {asked:.0} asked, peak {peak:.0}");
    // A second of waiting is let in, and a batch or two are under way.
    assert!(p99 < Duration::from_secs(4), "{p99:?}");
    assert!(back < Duration::from_secs(5), "{back:?}");
}
