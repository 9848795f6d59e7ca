//! What others do to the database's sessions: locks that they hold for long, statements that they
//! end.

use crate::shop::Shop;
use crate::stand::{AGAIN, Stand};
use crate::{now, pass, times};
use std::thread;
use std::time::Duration;

/// Longer than a session waits for a lock.
const HELD: Duration = Duration::from_secs(7);

#[test]
fn a_lock_that_somebody_holds_is_waited_for_only_so_long_and_served_again_within_a_second() {
    let shop = Shop::open(&[]);
    let rounds = times(1, 10);
    let mut stand = Stand::begin(&shop, &shop.url(), rounds * 32);
    for _ in 0..rounds {
        // A table that every batch writes to, and the row that it begins with.
        for lock in [
            "LOCK TABLE evenkeel.log IN ACCESS EXCLUSIVE MODE",
            "LOCK TABLE evenkeel.head IN ACCESS EXCLUSIVE MODE",
            "SELECT 1 FROM evenkeel.head FOR UPDATE",
        ] {
            let hold = format!("BEGIN; {lock}; SELECT pg_sleep({}); COMMIT", HELD.as_secs());
            let begun = now();
            thread::scope(|scope| {
                scope.spawn(|| shop.database.run(&hold));
                // Who asks meanwhile waits, or is told that it was in vain.
                while begun.elapsed() < HELD {
                    stand.is_down();
                }
            });
            let took = stand.again();
            println!("{lock}: sells again {took:?} after it");
            assert!(took < AGAIN, "{took:?}");
        }
    }
    let ended = shop.database.said("due to lock timeout");
    println!("{ended} waits for a lock were ended");
    assert!(ended > 0, "somebody waited for it all the time");
    stand.end(&shop, &shop.url());
}

#[test]
fn statements_that_are_ended_in_their_middle_lose_nothing() {
    // As when they last too long: the server ends a statement with the very same error.
    const END_ALL: &str = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity \
                           WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    let shop = Shop::open(&[]);
    let rounds = times(2, 20);
    let mut stand = Stand::begin(&shop, &shop.url(), rounds * 5);
    for _ in 0..rounds {
        pass(Duration::from_millis(500));
        let begun = now();
        while begun.elapsed() < Duration::from_secs(3) {
            shop.database.run(END_ALL);
        }
        let took = stand.again();
        println!("statements ended: sells again {took:?} after the last");
        assert!(took < AGAIN, "{took:?}");
    }
    let ended = shop.database.said("due to user request");
    println!("{ended} statements were ended");
    assert!(ended > 0, "none was under way");
    stand.end(&shop, &shop.url());
}
