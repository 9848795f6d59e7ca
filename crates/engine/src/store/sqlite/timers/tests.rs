//! Timers against a model: batches of every size, another reader, another writer, and crashes.

use super::super::schema;
use super::*;

struct Model {
    dir: tempfile::TempDir,
    position: u64,
    now: LogTime,
    due: BTreeSet<(LogTime, u64)>,
    dice: fastrand::Rng,
}

impl Model {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let conn = schema::open_writer(dir.path()).expect("it opens");
        schema::migrate(&conn).expect("it is empty");
        super::super::make_head(&conn, &crate::clock::SystemIds).expect("it is empty");
        Self {
            dir,
            position: 0,
            now: LogTime::from_micros(1_800_000_000_000_000),
            due: BTreeSet::new(),
            dice: fastrand::Rng::with_seed(seed),
        }
    }

    /// A process that has just started.
    fn open(&self) -> (Connection, Timers) {
        let conn = schema::open_writer(self.dir.path()).expect("it opens");
        let mut timers = Timers::new(&HOLDS);
        timers.adopt(&conn).expect("readable");
        (conn, timers)
    }

    fn batch(&mut self, conn: &Connection, timers: &mut Timers, commits: bool) {
        let most = if self.dice.bool() { 8 } else { 300 };
        let count = self.dice.u64(1..=most);
        let mut timer = |number: u64| Timer {
            due: self.now.plus(Millis(self.dice.u64(1..1_800_000))),
            created: self.position + number,
        };
        let new: Vec<Timer> = (1..=count).map(&mut timer).collect();
        conn.execute_batch("BEGIN IMMEDIATE").expect("free");
        let staged = timers.write(conn, self.now, &new);
        let staged = staged.expect("it can be written");
        if !commits {
            conn.execute_batch("ROLLBACK").expect("it was begun");
            return;
        }
        self.position += count;
        conn.execute_batch("COMMIT").expect("it is durable");
        timers.committed(&new, staged);
        self.due.extend(new.iter().map(|it| (it.due, it.created)));
    }

    /// Whoever looks sees all that is due and not ended; what has ended may be seen, too.
    fn check(&self, conn: &Connection, timers: &mut Timers) {
        conn.execute_batch("BEGIN").expect("free");
        timers.load(conn, self.now).expect("readable");
        conn.execute_batch("ROLLBACK").expect("it was begun");
        let upto = ..=(self.now, u64::MAX);
        let missing = self.due.range(upto).find(|it| !timers.entries.contains(it));
        assert_eq!(missing, None);
    }

    /// Ends what is due, as the sweep does.
    fn end(&mut self, timers: &mut Timers) {
        let later = self.due.split_off(&(self.now, u64::MAX));
        for entry in std::mem::replace(&mut self.due, later) {
            timers.entries.remove(&entry);
        }
    }
}

fn count(conn: &Connection, table: &str) -> i64 {
    let query = format!("SELECT count(*) FROM {table}");
    conn.query_row(&query, [], |row| row.get(0))
        .expect("a count")
}

#[test]
fn no_timer_is_missed_after_any_history() {
    for seed in 0..8 {
        let mut model = Model::new(seed);
        let mut writers = [model.open(), model.open()];
        let (conn, mut reader) = model.open();
        for _ in 0..150 {
            let who = usize::from(model.dice.u8(..) < 40);
            let commits = model.dice.u8(..) > 20;
            let (own, timers) = &mut writers[who];
            model.batch(own, timers, commits);
            model.now = model.now.plus(Millis(model.dice.u64(0..20_000)));
            if model.dice.u8(..) < 80 {
                model.check(own, timers);
                model.end(timers);
            }
            if model.dice.u8(..) < 80 {
                model.check(&conn, &mut reader);
            }
            if model.dice.u8(..) < 8 {
                // The process is killed; the next one knows nothing but the rows.
                writers[who] = model.open();
            }
        }
        let (own, timers) = &mut writers[0];
        model.check(own, timers);
    }
}

#[test]
fn rows_do_not_heap_up() {
    let mut model = Model::new(3);
    let (conn, mut timers) = model.open();
    let (mut news, mut minutes) = (0, 0);
    for _ in 0..600 {
        model.batch(&conn, &mut timers, true);
        model.now = model.now.plus(Millis(20_000));
        model.check(&conn, &mut timers);
        model.end(&mut timers);
        news = news.max(count(&conn, "timer_news"));
        minutes = minutes.max(count(&conn, "timer"));
    }
    // Thirty-one minutes are ahead; each had at most 90 batches before it.
    assert!(news < 128, "{news} rows of news");
    assert!(minutes < 31 * 90, "{minutes} rows of minutes");
    let past = "timer WHERE minute < (SELECT max(minute) - 40 FROM timer)";
    assert_eq!(count(&conn, past), 0, "ended minutes are deleted");
}

#[test]
fn a_long_past_is_read_bit_by_bit_and_all_of_it_ends() {
    const EACH: u64 = 1_500;
    let mut model = Model::new(5);
    let (conn, mut timers) = model.open();
    let all = 100 * EACH;
    for first in (0..all).step_by(EACH as usize) {
        let due = |number| Timer {
            due: model.now.plus(Millis(number % 120_000)),
            created: first + number,
        };
        let new: Vec<Timer> = (0..EACH).map(due).collect();
        conn.execute_batch("BEGIN IMMEDIATE").expect("free");
        let staged = timers.write(&conn, model.now, &new).expect("it is written");
        conn.execute_batch("COMMIT").expect("it is durable");
        timers.committed(&new, staged);
    }
    // Whoever starts after an outage.
    let (conn, mut timers) = model.open();
    model.now = model.now.plus(Millis(600_000));
    let mut ended = BTreeSet::new();
    let mut most = 0;
    loop {
        conn.execute_batch("BEGIN").expect("free");
        // Each is ended as it is seen: at the next look it is stale.
        let found = timers.due(&conn, (model.now, 10_000), |timer| {
            Ok((!ended.contains(&timer.created)).then_some(timer.created))
        });
        conn.execute_batch("ROLLBACK").expect("it was begun");
        most = most.max(timers.entries.len());
        let found = found.expect("readable");
        if found.is_empty() {
            break;
        }
        ended.extend(found);
    }
    assert_eq!(ended.len() as u64, all);
    assert!(most < 2 * ENOUGH, "{most} of {all} in memory at once");
    conn.execute_batch("BEGIN IMMEDIATE").expect("free");
    timers.write(&conn, model.now, &[]).expect("it is written");
    conn.execute_batch("COMMIT").expect("it is durable");
    assert!(count(&conn, "timer") < 100, "ended minutes are deleted");
}
