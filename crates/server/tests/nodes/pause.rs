//! A node that stands still while it has the lock: it stops the others for a moment, and writes
//! nothing when it goes on.

use crate::proxy::Proxy;
use crate::shop::{Shop, Ways, place, units};
use crate::{now, pass, times, until};
use rustix::process::Signal;
use std::time::Duration;

/// How long anybody else may wait for a node that stands still.
const TAIL: Duration = Duration::from_secs(2);
/// How long a node waits for what the database says: after more it may not know an answer.
const PATIENCE: Duration = Duration::from_secs(12);

#[test]
fn a_node_that_stops_between_lock_and_commit_holds_others_up_for_two_seconds_at_most() {
    let pause = Duration::from_secs(times(5, 30));
    let shop = Shop::open(&[]);
    let proxy = Proxy::to(&[shop.database.port()]);
    let other = shop.node("b");
    let through = format!("postgres://postgres@127.0.0.1:{}/postgres", proxy.port());
    let paused = shop.node_with(
        "a",
        Ways {
            database: Some(through),
            ..Ways::default()
        },
    );
    paused.ready();
    other.stock("lamp", 1_000_000);
    let mut worst = Duration::ZERO;
    let mut placed = 0_u64;
    for round in 0..times(1, 10) {
        let fenced = paused.fenced();
        proxy.stop_with_lock(paused.pid());
        // Asked of the node that is about to stop: answered when it goes on.
        let key = format!("late-{round}");
        let late = std::thread::scope(|scope| {
            let late = scope.spawn(|| place(&mut paused.wire(), "lamp", &key, 600_000));
            until("it stands still", || {
                proxy.stopped() > usize::try_from(round).expect("few")
            });
            let (begun, mut wire) = (now(), other.wire());
            while begun.elapsed() < pause {
                let asked = now();
                let reply = place(&mut wire, "lamp", &format!("o-{placed}"), 600_000);
                assert_eq!(reply.status, 201, "{reply:?}");
                worst = worst.max(asked.elapsed());
                placed += 1;
                pass(Duration::from_millis(5));
            }
            paused.signal(Signal::CONT);
            late.join().expect("no panic")
        });
        if late.status == 504 && pause > PATIENCE {
            // What became of it the same key says.
            until("it has its answer", || {
                place(&mut paused.wire(), "lamp", &key, 600_000).status == 201
            });
        } else {
            assert_eq!(late.status, 201, "{late:?}");
        }
        placed += 1;
        until("it finds its lease gone", || paused.fenced() > fenced);
        until("it has joined anew", || paused.nodes() == 2);
    }
    println!("stopped with the lock: {placed} placed, others waited {worst:?} at most");
    assert!(worst < TAIL, "others waited {worst:?}");
    assert_eq!(units(&mut other.wire(), "lamp", "held"), placed);
    shop.verify(None);
    other.kill();
    paused.kill();
}
