//! One load generator for everybody that the server is compared with.
//!
//! It keeps a number of connections, each with one request at a time and none in advance, and
//! speaks to a side in that side's own protocol: HTTP/1.1 to Evenkeel, to a bare handler, to nginx
//! and to a handler written by hand; RESP to Redis; the extended protocol to PostgreSQL. All of
//! them go through the same loop on one thread, so what the generator costs is the same for each.
//! An answer that is not the expected one ends the run: a figure never counts refusals.
//!
//! Prints one line: answers a second, p50, p99 and the longest wait in ms, all answers with those
//! of the warming up, and the share of the time that the generator's thread was busy. Near 1 it
//! measured itself. `fsync DIR` prints what a flush of 4 KiB takes there (median and p99 in ms).
//!
//! ```text
//! cargo run --release --example pound -- hold 127.0.0.1:7411 --tokens FILE --sku lamp
//! ```
#![expect(
    clippy::disallowed_methods,
    reason = "a generator has tasks and a stopwatch of its own"
)]

mod arguments;
mod flush;
#[path = "../../src/load/histogram.rs"]
mod histogram;
mod http;
mod postgres;
mod resp;
mod script;
mod side;

use anyhow::{Context as _, bail};
use arguments::Arguments;
use histogram::Histogram;
use parking_lot::Mutex;
use side::{Answered, Side};
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Answers before this are not counted: caches fill, connections settle.
const WARM: Duration = Duration::from_millis(300);
/// How long a side may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let line = if arguments.side == "fsync" {
        flush::measure(&arguments.place)?
    } else {
        pound(&arguments).await?
    };
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

/// What all connections of a round came to.
#[derive(Default)]
struct Tally {
    waits: Histogram,
    /// Those that came while it was measured.
    answers: u32,
    /// With those before and after.
    all: u32,
}

/// One round; its line.
async fn pound(arguments: &Arguments) -> anyhow::Result<String> {
    let mut ready = Vec::new();
    for number in 0..arguments.connections {
        let side = arguments.side(number)?;
        ready.push(Connection::open(&arguments.place, side).await?);
    }
    let tally = Arc::new(Mutex::new(Tally::default()));
    let from = Instant::now() + WARM;
    let until = from + Duration::from_secs(arguments.seconds.into());
    let mut tasks = tokio::task::JoinSet::new();
    for connection in ready {
        let tally = Arc::clone(&tally);
        tasks.spawn(connection.work(tally, from, until));
    }
    tokio::time::sleep(WARM).await;
    let (begun, used) = (Instant::now(), busy()?);
    let all = async {
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        anyhow::Ok(())
    };
    let limit = until.saturating_duration_since(begun) + PATIENCE;
    let in_time = tokio::time::timeout(limit, all).await;
    in_time.context("no answer in time")??;
    let share = (busy()? - used).as_secs_f64() / begun.elapsed().as_secs_f64();
    let tally = tally.lock();
    if tally.answers == 0 {
        bail!("nothing was answered");
    }
    Ok(format!(
        "{:.0} {:.3} {:.3} {:.3} {} {share:.3}",
        f64::from(tally.answers) / f64::from(arguments.seconds),
        tally.waits.quantile_ms(0.5),
        tally.waits.quantile_ms(0.99),
        tally.waits.greatest_ms(),
        tally.all,
    ))
}

/// Processor time of this thread so far; the runtime has no other.
fn busy() -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos = text.split(' ').next().context("a first field")?.parse()?;
    Ok(Duration::from_nanos(nanos))
}

/// One connection to a side, and the buffers that it uses again.
struct Connection {
    stream: TcpStream,
    side: Box<dyn Side>,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
}

impl Connection {
    /// Connected, with whatever the protocol wants said first.
    async fn open(place: &str, side: Box<dyn Side>) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(place).await;
        let stream = stream.with_context(|| format!("cannot connect to {place}"))?;
        stream.set_nodelay(true)?;
        let mut connection = Self {
            stream,
            side,
            outgoing: Vec::with_capacity(1024),
            incoming: vec![0; 16 * 1024],
        };
        for greeting in connection.side.greetings() {
            connection.outgoing = greeting;
            connection.exchange().await?;
        }
        Ok(connection)
    }

    async fn work(
        mut self,
        tally: Arc<Mutex<Tally>>,
        from: Instant,
        until: Instant,
    ) -> anyhow::Result<()> {
        let mut sent = Instant::now();
        while sent < until {
            self.outgoing.clear();
            self.side.ask(&mut self.outgoing);
            self.exchange().await?;
            let answered = Instant::now();
            let mut tally = tally.lock();
            tally.all += 1;
            // An answer counts in the time in which it comes: the one cut off at the end does not.
            if (from..until).contains(&answered) {
                tally.waits.record(answered - sent);
                tally.answers += 1;
            }
            drop(tally);
            sent = answered;
        }
        Ok(())
    }

    /// Sends what is in the buffer and reads until its answer is whole.
    async fn exchange(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.outgoing).await?;
        let mut filled = 0;
        loop {
            if filled == self.incoming.len() {
                bail!("an answer does not end");
            }
            let read = self.stream.read(&mut self.incoming[filled..]).await?;
            if read == 0 {
                bail!("the connection was closed in mid-answer");
            }
            filled += read;
            let bytes = &self.incoming[..filled];
            match self.side.answered(bytes)? {
                Answered::NotYet => {}
                Answered::Wanted => return Ok(()),
                Answered::Other => bail!("not wanted: {}", String::from_utf8_lossy(bytes)),
            }
        }
    }
}
