use super::super::schema;
use super::*;

const LIMIT: u32 = 64;

struct File {
    dir: tempfile::TempDir,
    writer: Connection,
    readers: Arc<Readers>,
    checkpoints: Checkpoints,
}

fn file() -> File {
    let dir = tempfile::tempdir().expect("a directory");
    let open = || schema::open_writer(dir.path()).expect("it opens");
    let mut writer = open();
    writer
        .execute_batch("CREATE TABLE row(id INTEGER PRIMARY KEY, text BLOB)")
        .expect("a table");
    let readers = Arc::default();
    let second = (open(), &readers);
    let checkpoints = Checkpoints::watch(&mut writer, second, LIMIT).expect("a thread");
    File {
        dir,
        writer,
        readers,
        checkpoints,
    }
}

impl File {
    /// Writes a batch of five frames, as the store does.
    fn batch(&self) -> u32 {
        let copied = self.checkpoints.between_batches(&self.writer);
        copied.expect("it can be copied");
        let insert = "INSERT INTO row(text) VALUES (zeroblob(20000))";
        self.writer.execute(insert, []).expect("a row");
        self.checkpoints.frames.load(Ordering::Relaxed)
    }

    fn reading(&self) -> super::super::readers::Reading<'_> {
        let open = || schema::open_reader(self.dir.path());
        let conn = self.readers.begin(open).expect("it opens");
        conn.execute_batch("BEGIN").expect("it begins");
        count(&conn);
        conn
    }
}

fn count(conn: &Connection) -> i64 {
    let count = conn.query_row("SELECT count(*) FROM row", [], |row| row.get(0));
    count.expect("it reads")
}

#[test]
fn the_log_begins_again_while_the_writer_never_pauses() {
    let file = file();
    let (mut before, mut began_again) = (0, 0);
    for _ in 0..50_000 {
        let frames = file.batch();
        began_again += u32::from(frames < before);
        before = frames;
        if began_again == 3 {
            return;
        }
    }
    panic!("{before} frames, and it began again {began_again} times");
}

#[test]
fn readers_that_overlap_without_a_pause_do_not_let_it_grow() {
    let file = file();
    let stop = AtomicBool::new(false);
    let most = std::thread::scope(|scope| {
        for _ in 0..4 {
            let (readers, dir, stop) = (Arc::clone(&file.readers), file.dir.path(), &stop);
            scope.spawn(move || {
                // The next one begins before this one ends, whatever the others do.
                while !stop.load(Ordering::Relaxed) {
                    let open = || schema::open_reader(dir);
                    let conn = readers.begin(open).expect("it opens");
                    conn.execute_batch("BEGIN").expect("it begins");
                    for _ in 0..20 {
                        count(&conn);
                    }
                    conn.execute_batch("ROLLBACK").expect("it ends");
                }
            });
        }
        let most = (0..2_000).map(|_| file.batch()).max();
        stop.store(true, Ordering::Relaxed);
        most.expect("many batches")
    });
    // As 256 MiB are to the 64 MiB from which on it is copied.
    assert!(most <= LIMIT * 4, "{most} frames");
}

#[test]
fn a_reader_that_stays_is_interrupted() {
    const ENDLESS: &str = "WITH RECURSIVE one(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM one)
        SELECT max(n) FROM one";
    let file = file();
    file.batch();
    let most = std::thread::scope(|scope| {
        let (readers, dir) = (Arc::clone(&file.readers), file.dir.path());
        let (begun, has_begun) = sync_channel::<()>(1);
        let stuck = scope.spawn(move || {
            let conn = readers
                .begin(|| schema::open_reader(dir))
                .expect("it opens");
            conn.execute_batch("BEGIN").expect("it begins");
            count(&conn);
            begun.send(()).expect("somebody waits");
            let read = conn.query_row(ENDLESS, [], |row| row.get::<_, i64>(0));
            fault(read.expect_err("it does not end by itself"))
        });
        has_begun.recv().expect("it begins");
        let most = (0..400).map(|_| file.batch()).max().expect("many batches");
        let fault = stuck.join().expect("it was ended");
        assert!(matches!(fault, Fault::Unavailable(_)), "{fault}");
        most
    });
    assert!(most <= LIMIT * 3, "{most} frames");
}

#[test]
fn one_that_nobody_can_interrupt_holds_up_for_a_moment_only() {
    let file = file();
    let conn = file.reading();
    let most = (0..60).map(|_| file.batch()).max().expect("many batches");
    assert!(
        most > LIMIT * 3,
        "a transaction that does nothing keeps the log"
    );
    drop(conn);
    let least = (0..60).map(|_| file.batch()).min().expect("many batches");
    assert!(least < LIMIT, "and then it begins again");
}
