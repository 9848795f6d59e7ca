//! Who writes runs, what becomes of unfinished ones, and what bounds them.

use super::{Adapter, NamesOptions, SMALL, Site, sql};
use crate::store::sqlite::names::sql::LEVELS;

impl Adapter {
    /// Rows in the tables of blocks.
    fn block_rows(&self) -> u64 {
        let count = |level| {
            let sql = format!("SELECT count(*) FROM run_{level}");
            self.conn
                .query_row(&sql, [], |row| row.get::<_, i64>(0))
                .expect("a table is counted")
        };
        (0..LEVELS).map(|level| count(level).cast_unsigned()).sum()
    }

    /// Blocks of the complete runs.
    fn blocks_in_runs(&self) -> u64 {
        let runs = sql::runs(&self.conn).expect("the list is whole");
        let blocks = runs.into_iter().map(|(id, level, names)| {
            let run = sql::load_run(&self.conn, id, level, names).expect("a run is whole");
            u64::from(run.blocks())
        });
        blocks.sum()
    }

    /// Blocks that belong to no complete run.
    fn loose_blocks(&self) -> u64 {
        self.block_rows() - self.blocks_in_runs()
    }
}

#[test]
fn merged_and_abandoned_runs_leave_nothing_behind() {
    let mut site = Site::new(1);
    let mut adapter = site.open(SMALL);
    for round in 0..8 {
        for _ in 0..30 {
            site.commit(&mut adapter, 20, 2);
        }
        if round % 2 == 0 {
            adapter = site.open(SMALL);
        }
    }
    for _ in 0..400 {
        site.commit(&mut adapter, 0, 3);
    }
    assert_eq!(adapter.loose_blocks(), 0);
    let part_runs = sql::runs_with_rows(&adapter.conn).expect("the tables are read");
    assert_eq!(part_runs.len(), adapter.names.runs().iter().sum::<usize>());
    site.check(&mut adapter);
}

#[test]
fn a_run_exists_exactly_when_its_transaction_does() {
    let mut site = Site::new(2);
    let mut adapter = site.open(SMALL);
    let mut completed = 0;
    for _ in 0..200 {
        // The same step twice: first it does not happen, then it does.
        let (runs, covered) = (adapter.names.runs(), adapter.names.covered());
        let listed = adapter.names_in_runs();
        site.roll_back(&mut adapter, 20, 2);
        assert_eq!(
            (adapter.names.runs(), adapter.names.covered()),
            (runs, covered)
        );
        assert_eq!(adapter.names_in_runs(), listed);
        site.commit(&mut adapter, 20, 2);
        assert_eq!(site.open(SMALL).names.runs(), adapter.names.runs());
        assert_eq!(site.open(SMALL).names.covered(), adapter.names.covered());
        completed += usize::from(adapter.names.covered() != covered);
    }
    assert!(completed > 20, "only {completed} runs were completed");
}

#[test]
fn an_adapter_takes_over_when_the_keeper_is_gone() {
    let mut site = Site::new(3);
    let mut keeper = site.open(SMALL);
    let mut other = site.open(SMALL);
    while keeper.loose_blocks() == 0 {
        site.commit(&mut keeper, 20, 1);
    }
    let covered = keeper.names.covered();
    for _ in 0..20 {
        site.commit(&mut other, 20, 4);
    }
    assert!(
        other.names.covered().position > covered.position,
        "the other one writes runs"
    );
    site.check(&mut other);
}

#[test]
fn a_former_keeper_drops_its_unfinished_run() {
    let mut site = Site::new(4);
    let mut former = site.open(NamesOptions {
        run_names: 500,
        ..SMALL
    });
    let mut other = site.open(SMALL);
    // A run of more blocks than a budget of one writes at once stands half written ...
    while former.loose_blocks() < 2 {
        site.commit(&mut former, 40, 1);
    }
    // ... when the other one takes over, and deletes what is not in a run.
    while other.names_in_runs() == 0 {
        site.commit(&mut other, 40, 10);
    }
    for _ in 0..40 {
        site.commit(&mut former, 1, 10);
        site.commit(&mut other, 20, 10);
    }
    site.check(&mut former);
    site.check(&mut other);
    assert_eq!(site.open(SMALL).names.runs(), other.names.runs());
}

#[test]
fn a_keeper_stays_while_it_does_its_work() {
    let mut site = Site::new(5);
    let mut keeper = site.open(SMALL);
    let mut other = site.open(SMALL);
    let mut tokens = Vec::new();
    for _ in 0..200 {
        site.commit(&mut keeper, 10, 8);
        site.commit(&mut other, 10, 8);
        for adapter in [&keeper, &other] {
            let waiting = adapter.names.views.view().frozen.len();
            assert!(waiting < 4, "{waiting} maps wait, though one writes them");
        }
        tokens.push(sql::state(&keeper.conn).expect("the row is there").keeper);
    }
    assert!(
        *tokens.last().expect("there were batches") <= 2,
        "the keeper changed: {tokens:?}"
    );
    assert!(
        keeper.names.runs()[1..].iter().sum::<usize>() > 0,
        "it merged"
    );
}

#[test]
fn maps_do_not_pile_up_when_the_budget_is_too_small() {
    let mut site = Site::new(6);
    let mut adapter = site.open(NamesOptions {
        run_names: 500,
        ..SMALL
    });
    for _ in 0..200 {
        site.commit(&mut adapter, 200, 0);
        let frozen = adapter.names.views.view().frozen.len();
        assert!(frozen < 8, "{frozen} maps wait");
    }
    site.check(&mut adapter);
}

#[test]
fn a_budget_bounds_the_blocks_of_a_transaction() {
    let mut site = Site::new(7);
    let mut adapter = site.open(NamesOptions {
        run_names: 2_000,
        ..SMALL
    });
    let mut before = adapter.block_rows();
    for _ in 0..400 {
        site.commit(&mut adapter, 100, 4);
        let now = adapter.block_rows();
        assert!(
            now <= before + 4,
            "{} blocks in one transaction",
            now - before
        );
        before = now;
    }
    assert!(before > 100);
}

#[test]
#[should_panic(expected = "the outcome of the transaction before this one was told")]
fn a_transaction_without_a_told_outcome_is_a_bug() {
    let site = Site::new(8);
    let mut adapter = site.open(SMALL);
    adapter
        .names
        .write_some(&adapter.conn, 1)
        .expect("nothing is written");
    let second = adapter.names.write_some(&adapter.conn, 1);
    second.expect("it never comes here");
}
