//! Balances against a model, with batches of every size, several writers, crashes and rests.

use super::super::schema;
use super::*;
use evenkeel_rules::ids::{LocationId, SkuId};

const PLACES: usize = 300;

/// What stands at each place, by the test's own book.
struct Model {
    dir: tempfile::TempDir,
    position: u64,
    stands: Vec<Option<i64>>,
    dice: fastrand::Rng,
}

fn place(number: usize) -> Place {
    let sku = SkuId::new(&format!("sku-{number}")).expect("an id");
    (sku, LocationId::main())
}

fn units(units: i64) -> Balances {
    Balances::from_raw([-units, units, 0, 0, 0, 0, 0])
}

/// A writer that has just started.
fn open(model: &Model) -> (Connection, Ledger) {
    let conn = schema::open_writer(model.dir.path()).expect("it opens");
    (conn, Ledger::default())
}

impl Model {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let conn = schema::open_writer(dir.path()).expect("it opens");
        schema::migrate(&conn).expect("it is empty");
        super::super::make_head(&conn, &crate::clock::SystemIds).expect("it is empty");
        let dice = fastrand::Rng::with_seed(seed);
        Self {
            dir,
            position: 0,
            stands: vec![None; PLACES],
            dice,
        }
    }

    /// Moves units at some places, and commits or not.
    fn batch(&mut self, conn: &Connection, ledger: &mut Ledger, most: usize, commits: bool) {
        let count = self.dice.usize(1..=most);
        let mut chosen: Vec<usize> = (0..PLACES).collect();
        self.dice.shuffle(&mut chosen);
        chosen.truncate(count);
        let mut after = self.stands.clone();
        let mut writes = Vec::new();
        for number in chosen {
            let now = self.dice.i64(0..1_000_000);
            let was = after[number].replace(now).map(units);
            let (place, now) = (place(number), units(now));
            writes.push(BalanceWrite { place, was, now });
        }
        conn.execute_batch("BEGIN IMMEDIATE").expect("free");
        ledger.refresh(conn, self.position).expect("readable");
        let staged = ledger.write(conn, self.position + 1, &writes);
        let staged = staged.expect("it fits");
        if !commits {
            conn.execute_batch("ROLLBACK").expect("it was begun");
            return;
        }
        self.position += 1;
        conn.execute("UPDATE head SET position = ?1", [sql(self.position)])
            .expect("one row");
        conn.execute_batch("COMMIT").expect("it is durable");
        ledger.committed(self.position, staged);
        self.stands = after;
    }

    fn check(&self, conn: &Connection, ledger: &mut Ledger, news: &mut News) {
        conn.execute_batch("BEGIN").expect("free");
        ledger.refresh(conn, self.position).expect("readable");
        news.catch_up(conn).expect("readable");
        for (number, stands) in self.stands.iter().enumerate() {
            let (place, stands) = (place(number), stands.map(units));
            assert_eq!(ledger.stands(conn, &place), Ok(stands), "writer, {number}");
            assert_eq!(news.of(conn, &place), Ok(stands), "reader, {number}");
        }
        conn.execute_batch("ROLLBACK").expect("it was begun");
    }
}

fn news_rows(conn: &Connection) -> i64 {
    conn.query_row("SELECT count(*) FROM balance_news", [], |row| row.get(0))
        .expect("a count")
}

#[test]
fn what_stands_is_read_after_any_history() {
    for seed in 0..8 {
        let mut model = Model::new(seed);
        let mut writers = [open(&model), open(&model)];
        let reader = schema::open_reader(model.dir.path()).expect("it opens");
        let mut news = News::default();
        for step in 0..200 {
            let most = if step % 40 < 20 { 3 } else { 150 };
            let who = usize::from(model.dice.u8(..) < 40);
            let commits = model.dice.u8(..) > 20;
            let (conn, ledger) = &mut writers[who];
            model.batch(conn, ledger, most, commits);
            if step % 7 == 0 {
                model.check(&reader, ledger, &mut news);
            }
            if model.dice.u8(..) < 8 {
                // The process is killed; the next one knows nothing but the rows.
                writers[who] = open(&model);
            }
        }
    }
}

#[test]
fn news_stay_few_while_many_places_move_and_end_when_few_do() {
    let mut model = Model::new(7);
    let (conn, mut ledger) = open(&model);
    let mut most = 0;
    for _ in 0..400 {
        model.batch(&conn, &mut ledger, 100, true);
        most = most.max(news_rows(&conn));
    }
    // A round takes about 300 places / (50 moved / 8) batches; news of two rounds are there.
    assert!((20..200).contains(&most), "{most} rows of news");
    for _ in 0..400 {
        model.batch(&conn, &mut ledger, 1, true);
    }
    assert_eq!(news_rows(&conn), 0, "all are in their rows");
    assert!(ledger.news.entries.is_empty(), "and out of memory");
}

#[test]
fn a_store_at_rest_has_no_news() {
    let mut model = Model::new(9);
    let (conn, mut ledger) = open(&model);
    for _ in 0..10 {
        model.batch(&conn, &mut ledger, 100, true);
    }
    assert!(news_rows(&conn) > 0);
    let (balances, checkpoints) = (ledger, None);
    drop(Writer {
        conn,
        balances,
        checkpoints,
    });
    let (conn, mut ledger) = open(&model);
    assert_eq!(news_rows(&conn), 0);
    model.check(&conn, &mut ledger, &mut News::default());
}

#[test]
fn balances_that_are_not_as_they_were_read_are_corrupt() {
    for (moved, edited) in [(1, true), (100, true), (100, false)] {
        let mut model = Model::new(11);
        let (conn, mut ledger) = open(&model);
        model.batch(&conn, &mut ledger, 1, true);
        while model.stands.iter().any(Option::is_none) {
            model.batch(&conn, &mut ledger, PLACES, true);
        }
        if edited {
            // A row that no news name is edited behind the writer's back.
            carry_all_of(&conn, &mut ledger, &model);
            conn.execute("UPDATE balance SET accounts = x'00000000000000'", [])
                .expect("rows");
        }
        let write = |number: usize| BalanceWrite {
            place: place(number),
            was: Some(units(
                model.stands[number].expect("it stands") + i64::from(!edited),
            )),
            now: units(1),
        };
        let writes: Vec<_> = (0..moved).map(write).collect();
        let told = ledger.write(&conn, model.position + 1, &writes);
        assert!(matches!(told, Err(Fault::Corrupt(_))), "{moved} {edited}");
    }
}

fn carry_all_of(conn: &Connection, ledger: &mut Ledger, model: &Model) {
    let mut writer = Writer {
        conn: schema::open_writer(model.dir.path()).expect("it opens"),
        balances: Ledger::default(),
        checkpoints: None,
    };
    carry_all(&mut writer).expect("it can be written");
    *ledger = Ledger::default();
    ledger.refresh(conn, model.position).expect("readable");
}
