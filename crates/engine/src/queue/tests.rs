use super::*;
use crate::commit::Command;
use crate::testing::{ask, expire, hold_id, release, wanted};

fn waiting(command: Command) -> (Waiting, oneshot::Receiver<Told>) {
    let (answer, told) = oneshot::channel();
    let commit = ask(command);
    let waiting = Waiting {
        commit,
        answer,
        deadline: None,
        widened: 0,
    };
    (waiting, told)
}

fn ending(number: usize) -> Command {
    release(&format!("h-{number}"))
}

fn place(number: usize) -> Command {
    crate::testing::place(&format!("h-{number}"), &[("lamp", 1)])
}

fn background(number: usize) -> Command {
    expire(&format!("h-{number}"))
}

/// A confirm of so many lines.
fn large(number: usize, count: usize) -> Command {
    let lines = Some(wanted(&vec![("lamp", 1); count]));
    let id = hold_id(&format!("h-{number}"));
    Command::Confirm { id, lines }
}

fn push(queue: &Queue, command: Command) -> Result<(), Full> {
    queue.push(waiting(command).0)
}

fn take(queue: &Queue) -> Vec<Waiting> {
    queue.lanes.lock().take()
}

fn counts(batch: &[Waiting]) -> [usize; 3] {
    let of = |lane| {
        batch
            .iter()
            .filter(|it| lane_of(&it.commit) == lane)
            .count()
    };
    [of(0), of(1), of(2)]
}

fn names(batch: &[Waiting]) -> Vec<String> {
    let name = |waiting: &Waiting| match &waiting.commit.command {
        Command::Place(place) => format!("place {}", place.id),
        Command::Release { id } => format!("release {id}"),
        Command::Expire { id } => format!("expire {id}"),
        other => other.name().to_owned(),
    };
    batch.iter().map(name).collect()
}

#[test]
fn each_lane_has_an_eighth_of_a_full_batch_and_the_rest_goes_in_order() {
    let eighth = BATCH_MAX / 8;
    let table = [
        (
            [2_000, 2_000, 2_000],
            [BATCH_MAX - 2 * eighth, eighth, eighth],
        ),
        ([0, 2_000, 2_000], [0, BATCH_MAX - eighth, eighth]),
        ([2_000, 10, 0], [BATCH_MAX - 10, 10, 0]),
        ([0, 0, 2_000], [0, 0, BATCH_MAX]),
        ([200, 900, 100], [200, BATCH_MAX - 300, 100]),
        ([5, 6, 7], [5, 6, 7]),
        ([0, 0, 0], [0, 0, 0]),
    ];
    for (waits, expected) in table {
        let queue = Queue::new(5_000);
        for (lane, make) in [ending, place, background].into_iter().enumerate() {
            for number in 0..waits[lane] {
                push(&queue, make(number)).expect("there is room");
            }
        }
        assert_eq!(counts(&take(&queue)), expected, "{waits:?}");
        let rest: usize = waits.iter().sum::<usize>() - expected.iter().sum::<usize>();
        assert_eq!(queue.len(), rest, "{waits:?}");
    }
}

#[test]
fn commits_leave_in_the_order_in_which_they_came() {
    let queue = Queue::new(9);
    for command in [
        place(1),
        ending(1),
        place(2),
        background(1),
        ending(2),
        place(3),
    ] {
        push(&queue, command).expect("there is room");
    }
    let expected = [
        "release h-1",
        "release h-2",
        "place h-1",
        "place h-2",
        "place h-3",
        "expire h-1",
    ];
    assert_eq!(names(&take(&queue)), expected);
}

#[test]
fn what_comes_back_is_first_in_its_lane_and_in_its_order() {
    let queue = Queue::new(3);
    for number in 1..=3 {
        push(&queue, place(number)).expect("there is room");
    }
    let mut batch = take(&queue);
    drop(batch.remove(0));
    for number in 4..=6 {
        push(&queue, place(number)).expect("there is room");
    }
    // Its lane is full by now: what was taken before is never turned away.
    queue.push_back_in(batch);
    let expected = [
        "place h-2",
        "place h-3",
        "place h-4",
        "place h-5",
        "place h-6",
    ];
    assert_eq!(names(&take(&queue)), expected);
}

#[test]
fn a_full_lane_says_no_and_leaves_the_others_alone() {
    let queue = Queue::new(2);
    for number in 0..2 {
        push(&queue, place(number)).expect("there is room");
    }
    assert_eq!(push(&queue, place(3)), Err(Full::Busy));
    assert_eq!(push(&queue, ending(1)), Ok(()));
    assert_eq!(push(&queue, background(1)), Ok(()));
    assert_eq!(queue.len(), 4);
    queue.close();
    assert_eq!(push(&queue, ending(2)), Err(Full::Closed));
}

#[test]
fn a_batch_is_bounded_in_bytes_and_large_commits_starve_nobody() {
    let queue = Queue::new(5_000);
    for number in 0..300 {
        push(&queue, large(number, 100)).expect("there is room");
        push(&queue, place(number)).expect("there is room");
        push(&queue, background(number)).expect("there is room");
    }
    let mut taken = [0; 3];
    let mut rounds = 0;
    while !queue.is_empty() {
        let batch = take(&queue);
        let bytes: usize = batch.iter().map(|it| it.commit.size()).sum();
        assert!(bytes <= BATCH_BYTES, "{bytes}");
        let counts = counts(&batch);
        if rounds == 0 {
            assert!(counts.iter().all(|count| *count >= 50), "{counts:?}");
        }
        for lane in 0..3 {
            taken[lane] += counts[lane];
        }
        rounds += 1;
        assert!(rounds < 20, "every round takes something");
    }
    assert_eq!(taken, [300; 3]);
}

#[test]
fn a_commit_larger_than_a_batch_goes_alone() {
    let queue = Queue::new(9);
    push(&queue, large(1, BATCH_BYTES / 300)).expect("there is room");
    push(&queue, large(2, 1)).expect("there is room");
    assert_eq!(take(&queue).len(), 1);
    assert_eq!(take(&queue).len(), 1);
    assert!(take(&queue).is_empty());
}

#[tokio::test]
async fn taking_waits_for_work_and_ends_when_closed_and_empty() {
    let queue = Queue::new(9);
    let (first, _told) = waiting(place(1));
    let (batch, ()) = tokio::join!(queue.take(), async {
        tokio::task::yield_now().await;
        queue.push(first).expect("there is room");
    });
    assert_eq!(batch.expect("it is open").len(), 1);
    push(&queue, place(2)).expect("there is room");
    queue.close();
    assert!(queue.is_closed());
    assert_eq!(queue.take().await.expect("one waits still").len(), 1);
    assert!(queue.take().await.is_none());
    let closed_while_waiting = Queue::new(9);
    let (batch, ()) = tokio::join!(closed_while_waiting.take(), async {
        tokio::task::yield_now().await;
        closed_while_waiting.close();
    });
    assert!(batch.is_none());
}

#[tokio::test]
async fn an_abandoned_queue_leaves_nobody_waiting() {
    let queue = Queue::new(9);
    let (first, told) = waiting(place(1));
    queue.push(first).expect("there is room");
    queue.abandon();
    assert!(told.await.is_err(), "there is nobody to answer");
    assert!(queue.is_empty() && queue.take().await.is_none());
    assert_eq!(push(&queue, place(2)), Err(Full::Closed));
}

/// A queue of places, of which a full batch takes a second.
fn slow() -> Queue {
    let queue = Queue::new(100 * BATCH_MAX);
    for number in 0..=BATCH_MAX {
        push(&queue, place(number)).expect("there is room");
    }
    assert_eq!(take(&queue).len(), BATCH_MAX);
    queue.paced(Duration::from_secs(1));
    queue
}

#[test]
fn who_would_wait_too_long_is_told_no_at_once() {
    let queue = slow();
    let mut patient = 0;
    let within = |number, most| {
        let (waiting, _told) = waiting(place(number));
        queue.push_within(waiting, Some(Duration::from_secs(most)))
    };
    while patient < 10 * BATCH_MAX && within(patient, 2) == Ok(()) {
        patient += 1;
    }
    // The batch of his own is not waited for, and one was waiting before.
    assert_eq!(patient + 1, 3 * BATCH_MAX);
    assert_eq!(
        queue.admits(Lane::Place, Some(Duration::from_secs(2))),
        Err(Full::Busy)
    );
    assert_eq!(within(0, 3), Ok(()), "who has more time is taken");
    assert_eq!(
        push(&queue, place(0)),
        Ok(()),
        "the engine's own work is taken"
    );
    assert_eq!(queue.admits(Lane::Ending, Some(Duration::ZERO)), Ok(()));
    assert!(queue.backlog() >= Duration::from_secs(3));
}

#[test]
fn what_fits_the_next_batch_is_taken_however_slow_the_disk_is() {
    let queue = slow();
    while !queue.is_empty() {
        take(&queue);
    }
    assert_eq!(queue.backlog(), Duration::ZERO);
    let (first, _told) = waiting(place(1));
    assert_eq!(queue.push_within(first, Some(Duration::ZERO)), Ok(()));
}

#[test]
fn more_of_a_batch_is_new_work_in_its_order_up_to_who_does_not_join() {
    let queue = Queue::new(BATCH_MAX * 2);
    for command in [
        ending(0),
        background(0),
        place(1),
        place(2),
        place(3),
        place(4),
    ] {
        push(&queue, command).expect("there is room");
    }
    let joins = |waiting: &Waiting| names(std::slice::from_ref(waiting))[0].clone() != "place h-3";
    let nobody: Vec<Waiting> = queue.take_more((BATCH_MAX, 0), joins);
    assert!(nobody.is_empty(), "a full batch has no room");
    let nobody = queue.take_more((1, BATCH_BYTES), joins);
    assert!(nobody.is_empty(), "nor has one with too many bytes");
    let one = queue.take_more((BATCH_MAX - 1, 0), joins);
    assert_eq!(names(&one), ["place h-1"]);
    let more = queue.take_more((1, 0), joins);
    assert_eq!(names(&more), ["place h-2"]);
    assert_eq!(queue.waiting(), [1, 2, 1]);
    assert!(
        queue.take_more((1, 0), joins).is_empty(),
        "nobody is overtaken"
    );
}
