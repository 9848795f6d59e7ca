//! What the name index costs: batches of holds with two names each, over a store of a given size.
//!
//! Each hold is a log row (389 B), a state row (176 B) and two names that are looked up first; each
//! batch adds a timer row, up to a hundred balance rows and the head, in one transaction with
//! fsync. The fill commits without fsync. Beside holds a second, the figures are the bytes of
//! write-ahead log per hold and the time of a look-up.
//!
//! `cargo bench -p evenkeel-engine --bench names -- [million names ...]`; without numbers 0, 1, 10.

use evenkeel_engine::store::sqlite::names::{Entry, Mark, Name, Names, NamesOptions};
use fastrand::Rng;
use rusqlite::{Connection, TransactionBehavior, params};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long one series of batches runs.
const SERIES: Duration = Duration::from_secs(2);
/// How often the series are repeated, in turn, because a shared disk is not equally fast all the
/// time.
const ROUNDS: usize = 3;
/// The write-ahead log is brought home when it is longer.
const WAL_BYTES: u64 = 64 << 20;

const TABLES: &str = "
    CREATE TABLE log (position INTEGER PRIMARY KEY, hash BLOB NOT NULL, text BLOB NOT NULL);
    CREATE TABLE hold (position INTEGER PRIMARY KEY, state INTEGER NOT NULL, body BLOB NOT NULL);
    CREATE TABLE timer (window INTEGER, first INTEGER, entries BLOB NOT NULL,
                        PRIMARY KEY (window, first)) WITHOUT ROWID;
    CREATE TABLE balance (sku INTEGER PRIMARY KEY, accounts BLOB NOT NULL);
    CREATE TABLE head (id INTEGER PRIMARY KEY, position INTEGER NOT NULL, batches BLOB NOT NULL);
    WITH RECURSIVE sku (id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM sku WHERE id < 9999)
    INSERT INTO balance SELECT id, zeroblob(64) FROM sku;
    INSERT INTO head VALUES (1, 0, zeroblob(1024));
";

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// What this thread has used of a processor, in nanoseconds: unlike the time that passes it hardly
/// depends on what else the machine does. Zero where the system does not tell.
fn processor_time() -> u64 {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    line.split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0)
}

fn main() -> rusqlite::Result<()> {
    let numbers = std::env::args().filter_map(|word| word.parse::<u64>().ok());
    let mut sizes: Vec<u64> = numbers.map(|millions| millions * 1_000_000).collect();
    if sizes.is_empty() {
        sizes = vec![0, 1_000_000, 10_000_000];
    }
    for size in sizes {
        measure(size)?;
    }
    Ok(())
}

fn measure(size: u64) -> rusqlite::Result<()> {
    let dir = tempfile::tempdir().expect("a directory for the measurement");
    let mut store = Store::create(&dir.path().join("log.db"))?;
    store.fill(size)?;
    println!("\n{size} names, runs by level {:?}", store.names.runs());
    for _ in 0..ROUNDS {
        for holds in [64, 512] {
            store.series(holds, Load::RowsAlone)?;
            store.series(holds, Load::All)?;
        }
        store.series(512, Load::NamesAlone)?;
    }
    store.look_ups()?;
    let opening = now();
    let names = Names::open(&store.conn, NamesOptions::default())?;
    let tail = names.covered().position..store.names.known().position;
    println!(
        "  opened in {:?}, {} rows of tail to feed",
        opening.elapsed(),
        tail.end - tail.start
    );
    Ok(())
}

/// What a batch writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    /// Everything of a hold.
    All,
    /// Everything but the names: what no index could be faster than.
    RowsAlone,
    /// Only the names.
    NamesAlone,
}

/// A writer with its index.
struct Store {
    conn: Connection,
    names: Names,
    rng: Rng,
    wal: PathBuf,
    /// Some of the names that are in the index.
    known: Vec<Name>,
    text: Vec<u8>,
}

impl Store {
    fn create(path: &Path) -> rusqlite::Result<Store> {
        let conn = Connection::open(path)?;
        conn.execute_batch(
            "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
             PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY",
        )?;
        conn.set_prepared_statement_cache_capacity(64);
        conn.execute_batch(TABLES)?;
        conn.execute_batch(Names::SCHEMA)?;
        let names = Names::open(&conn, NamesOptions::default())?;
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let mut rng = Rng::with_seed(1);
        let text = (0..1024).map(|_| rng.u8(..)).collect();
        Ok(Store {
            conn,
            names,
            rng,
            wal: wal.into(),
            known: Vec::new(),
            text,
        })
    }

    /// Adds names, as quickly as that goes; then lets merges come to an end.
    fn fill(&mut self, size: u64) -> rusqlite::Result<()> {
        self.conn.execute_batch("PRAGMA synchronous = OFF")?;
        let started = now();
        let batch = 4096;
        while self.names.known().position * 2 < size {
            self.batch(batch, Load::NamesAlone, batch)?;
            self.bring_home()?;
        }
        // Batches without holds, until merges have caught up.
        let (mut runs, mut changed) = (self.names.runs(), now());
        while size > 0 && changed.elapsed() < Duration::from_millis(500) {
            self.batch(0, Load::NamesAlone, batch)?;
            self.bring_home()?;
            if self.names.runs() != runs {
                (runs, changed) = (self.names.runs(), now());
            }
        }
        println!("filled in {:.1?}", started.elapsed());
        self.conn.execute_batch("PRAGMA synchronous = FULL")
    }

    /// Batches of `holds` for some seconds.
    fn series(&mut self, holds: usize, load: Load) -> rusqlite::Result<()> {
        let (started, used) = (now(), processor_time());
        let (mut times, mut wal_bytes, mut count, mut most_runs) = (Vec::new(), 0, 0, 0);
        self.conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        while started.elapsed() < SERIES {
            let before = now();
            self.batch(holds, load, (holds / 10).max(8))?;
            times.push(before.elapsed());
            count += holds;
            most_runs = most_runs.max(self.names.runs()[0]);
            wal_bytes += self.bring_home()?;
        }
        let rate = count as f64 / started.elapsed().as_secs_f64() / 1000.0;
        let used = (processor_time() - used) as f64 / 1000.0 / count as f64;
        wal_bytes += self.wal_len();
        self.conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        times.sort_unstable();
        let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1000.0;
        println!(
            "  {load:?}, batch {holds}: {rate:.0} K holds/s, {used:.1} us of the writer, \
             p50 {:.2} p99 {:.2} ms, {} B WAL/hold, \
             at most {most_runs} runs on level 0",
            at(50),
            at(99),
            wal_bytes / count as u64,
        );
        Ok(())
    }

    /// Copies the write-ahead log into the database when it is long; answers with its bytes then.
    fn bring_home(&mut self) -> rusqlite::Result<u64> {
        let bytes = self.wal_len();
        if bytes < WAL_BYTES {
            return Ok(0);
        }
        self.conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        Ok(bytes)
    }

    fn wal_len(&self) -> u64 {
        std::fs::metadata(&self.wal).map_or(0, |file| file.len())
    }

    fn batch(&mut self, holds: usize, load: Load, budget: usize) -> rusqlite::Result<()> {
        let Store {
            conn,
            names,
            rng,
            text,
            known,
            ..
        } = self;
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        names.refresh(&tx)?;
        let first = names.known().position + 1;
        let mut entries = Vec::with_capacity(holds * 2);
        for at in first..first + holds as u64 {
            for _ in 0..if load == Load::RowsAlone { 0 } else { 2 } {
                let name: Name = rng.u128(..).to_be_bytes();
                assert_eq!(names.get(&tx, &name)?, None);
                entries.push((
                    name,
                    Entry {
                        at,
                        fingerprint: [1; 16],
                    },
                ));
            }
        }
        if load != Load::NamesAlone {
            write_rows(&tx, rng, text, first..first + holds as u64)?;
        }
        if load != Load::RowsAlone {
            names.write_some(&tx, budget)?;
        }
        tx.commit()?;
        names.committed();
        if known.len() < 100_000 {
            known.extend(entries.iter().take(20).map(|(name, _)| name));
        }
        let mark = Mark {
            position: first + holds as u64 - 1,
            refusal: 0,
        };
        names.insert(entries.into_iter(), mark);
        Ok(())
    }

    fn look_ups(&mut self) -> rusqlite::Result<()> {
        let absent: Vec<Name> = (0..200_000)
            .map(|_| self.rng.u128(..).to_be_bytes())
            .collect();
        let per = |time: Duration, count: usize| time.as_secs_f64() * 1e6 / count as f64;
        let tx = self.conn.transaction()?;
        let started = now();
        for name in &absent {
            assert!(self.names.get(&tx, name)?.is_none());
        }
        let of_absent = per(started.elapsed(), absent.len());
        let started = now();
        for name in &self.known {
            assert!(self.names.get(&tx, name)?.is_some());
        }
        let of_present = per(started.elapsed(), self.known.len());
        let filter = self.names.filter();
        let started = now();
        let taken = absent.iter().filter(|name| filter.may_know(name)).count();
        let of_filter = per(started.elapsed(), absent.len());
        println!(
            "  look-up of an absent name {of_absent:.2} us, of a present one {of_present:.2} us; \
             filter {of_filter:.2} us, wrong for {:.2} %; runs by level {:?}",
            taken as f64 * 100.0 / absent.len() as f64,
            self.names.runs(),
        );
        Ok(())
    }
}

/// Everything of a batch but its names.
fn write_rows(
    tx: &Connection,
    rng: &mut Rng,
    text: &[u8],
    positions: std::ops::Range<u64>,
) -> rusqlite::Result<()> {
    let mut log = tx.prepare_cached("INSERT INTO log VALUES (?1, ?2, ?3)")?;
    let mut hold = tx.prepare_cached("INSERT INTO hold VALUES (?1, 0, ?2)")?;
    let first = positions.start.cast_signed();
    let end = positions.end.cast_signed();
    for position in first..end {
        log.execute(params![position, &text[..32], &text[100..489]])?;
        hold.execute(params![position, &text[500..676]])?;
    }
    let entries = vec![0u8; (positions.end - positions.start) as usize * 16];
    tx.prepare_cached("INSERT INTO timer VALUES (?1, ?2, ?3)")?
        .execute(params![first / 1_000_000, first, entries])?;
    let mut balance = tx.prepare_cached("UPDATE balance SET accounts = ?2 WHERE sku = ?1")?;
    for _ in 0..(end - first).min(100) {
        balance.execute(params![rng.i64(0..10_000), &text[..64]])?;
    }
    tx.prepare_cached("UPDATE head SET position = ?1, batches = ?2")?
        .execute(params![end, text])?;
    Ok(())
}
