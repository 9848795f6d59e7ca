//! Archiving and bringing back that is killed at each step, or stands still while another process
//! does the like: nothing is lost, and nobody sees a row missing.

use super::{Ground, Slow, ground, in_memory, is_green};
use evenkeel_engine::archive::Archived;
use evenkeel_engine::port::Store;
use evenkeel_engine::store::memory::MemoryStore;
use evenkeel_engine::store::segments::SegmentMemory;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

/// A future that comes no further after so many polls, as a process that is killed or stands still.
struct Mortal<F> {
    future: F,
    polls: u32,
}

impl<F: Future + Unpin> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        Pin::new(&mut self.future).poll(context).map(Some)
    }
}

/// Kills what `work` does after one more step each time, until it comes to its end; after each
/// kill another process looks at what is there and goes on with it.
async fn killed_at_each_step<W>(seed: impl AsyncFn(&Ground), work: W, least: u32)
where
    W: AsyncFn(&Ground),
{
    let mut polls = 0;
    let mut kills = 0;
    loop {
        polls += 1;
        let (first, store, files) = in_memory().await;
        seed(&first).await;
        let before = first.log().await;
        let future = Box::pin(work(&first));
        let ended = Mortal { future, polls }.await.is_some();
        first.engine.kill();
        let next = ground(Arc::new(store.clone()), Arc::new(files.clone())).await;
        assert_eq!(next.log().await, before, "killed at {polls}");
        is_green(&next.verified(true).await);
        is_green(&next.verified(false).await);
        next.run(16).await.expect("nothing is damaged");
        assert_eq!(next.log().await, before, "and archived after that");
        assert_eq!(store.tables().log[0].position, 49, "killed at {polls}");
        is_green(&next.verified(true).await);
        next.engine.kill();
        if ended {
            assert!(kills >= least, "only {kills} steps");
            return;
        }
        kills += 1;
    }
}

#[tokio::test]
async fn killed_anywhere_while_archiving_nothing_is_lost() {
    let seed = async |ground: &Ground| ground.sell(0..40).await;
    let work = async |ground: &Ground| {
        ground.run(16).await.expect("nothing is damaged");
    };
    killed_at_each_step(seed, work, 30).await;
}

#[tokio::test]
async fn killed_anywhere_while_bringing_back_nothing_is_lost() {
    let seed = async |ground: &Ground| {
        ground.sell(0..40).await;
        ground.run(16).await.expect("nothing is damaged");
    };
    let work = async |ground: &Ground| {
        ground.archive.bring_back(33).await.expect("it is whole");
    };
    killed_at_each_step(seed, work, 8).await;
}

/// What a process does with the log's old part.
#[derive(Debug, Clone, Copy)]
enum Doing {
    /// Archives in segments of so many rows.
    Archives(u64),
    /// Brings the newest segment back.
    BringsBack,
}

impl Ground {
    /// Does it, as far as another process lets it.
    async fn does(&self, doing: Doing) {
        match doing {
            Doing::Archives(rows) => drop(self.run(rows).await),
            Doing::BringsBack => {
                let segments = self.store.segments().await.expect("readable").rows;
                let last = segments.last().expect("there are some");
                drop(self.archive.bring_back(last.first).await);
            }
        }
    }
}

#[tokio::test]
async fn two_processes_at_once_lose_nothing_wherever_one_stands_still() {
    use Doing::{Archives, BringsBack};
    let pairs = [
        (Archives(16), Archives(8)),
        (Archives(8), Archives(16)),
        (Archives(16), BringsBack),
        (BringsBack, Archives(8)),
        (BringsBack, Archives(16)),
        (BringsBack, BringsBack),
    ];
    for (paused, between) in pairs {
        for polls in 0.. {
            let (first, store, files) = in_memory().await;
            first.sell(0..12).await;
            first.run(8).await.expect("nothing is damaged");
            first.sell(12..40).await;
            let before = first.log().await;
            let other = ground(Arc::new(store.clone()), Arc::new(Slow(files.clone()))).await;
            let mut work = Box::pin(first.does(paused));
            let future = work.as_mut();
            let ended = Mortal { future, polls }.await.is_some();
            other.does(between).await;
            if !ended {
                work.await;
            }
            let next = ground(Arc::new(store.clone()), Arc::new(files.clone())).await;
            let told = format!("{paused:?} stood still at {polls} while another {between:?}");
            assert_eq!(next.log().await, before, "{told}");
            is_green(&next.verified(true).await);
            let list = next.archive.list().await.expect("readable");
            assert!(list.iter().all(|kept| kept.damage.is_none()), "{told}");
            assert_eq!(list.len(), files.edit(|files| files.len()), "{told}");
            for ground in [&first, &other, &next] {
                ground.engine.kill();
            }
            if ended {
                assert!(polls > 8, "{told}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn rows_whose_file_is_gone_stay_in_the_database() {
    let (first, store, files) = in_memory().await;
    first.sell(0..40).await;
    let mut polls = 0;
    while store.tables().segments.is_empty() {
        polls += 1;
        let future = Box::pin(first.run(16));
        Mortal { future, polls }.await;
    }
    assert_eq!(
        (first.floor().await, store.tables().log[0].position),
        (17, 1)
    );
    files.edit(std::collections::BTreeMap::clear);
    let refused = first.run(16).await.expect_err("its file is gone");
    assert!(
        format!("{refused:?}").contains("its file is gone"),
        "{refused:?}"
    );
    assert_eq!(store.tables().log[0].position, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_there_while_it_leaves_and_comes_back() {
    let (store, files) = (MemoryStore::new("main", [5; 16]), SegmentMemory::default());
    let first = ground(Arc::new(store.clone()), Arc::new(files.clone())).await;
    first.sell(0..20).await;
    let ended = Arc::new(AtomicBool::new(false));
    let reader = Archived::new(Arc::new(store), Arc::new(files));
    let until = Arc::clone(&ended);
    #[expect(clippy::disallowed_methods, reason = "a reader beside the archive")]
    let reads = tokio::spawn(async move {
        let mut pages = 0_u64;
        while !until.load(Ordering::Relaxed) {
            for from in [1, 8, 20] {
                let rows = reader.log(from, 12).await.expect("nothing is damaged").rows;
                let at: Vec<u64> = rows.iter().map(|row| row.position).collect();
                assert_eq!(at, (from..from + 12).collect::<Vec<u64>>());
                pages += 1;
            }
        }
        pages
    });
    for _ in 0..150 {
        first.run(24).await.expect("nothing is damaged");
        first.archive.bring_back(1).await.expect("it is whole");
    }
    ended.store(true, Ordering::Relaxed);
    assert!(reads.await.expect("every row was there") > 100);
}
