//! Power cuts: what was not synced is dropped, torn and reordered.
//!
//! One run is recorded through several lives of the server: stopped, killed and started again
//! between, so that first starts, checkpoints and restarts are cut as well. Then the power goes at
//! random moments of the record. Whatever the disk has left, the server starts on it, nothing that
//! had been answered before the cut is missing, and every other check of `verify` is green.

use crate::buyers::{Book, crowd, rush};
use crate::disk::{Disk, Journal, frame};
use crate::layer::{Layer, free_address};
use crate::server::{Server, try_verify};
use crate::{choices, pass, tell, times};
use fastrand::Rng;
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;

const BUYERS: usize = 6;
/// Cuts of one record.
const CUTS_EACH: u64 = 10;
/// How long a life is, in milliseconds.
const LIFE: std::ops::Range<u64> = 100..500;

/// Records a run: three lives, the first ended in order, the others killed.
fn record(scratch: &Path, rng: &mut Rng) -> Journal {
    let home = scratch.join("home");
    std::fs::create_dir(&home).expect("a scratch directory");
    let layer = Layer::with_journal(&home);
    let book = Book::within(layer.journal(), frame);
    let address = free_address();
    let mut server = Server::start_at(&home, &address, Some(&layer));
    let mut buyers = crowd(&server, BUYERS, rng);
    for life in 0..3 {
        let time = Duration::from_millis(rng.u64(LIFE));
        let running = server;
        server = rush(&mut buyers, &address, &book, || {
            pass(time);
            if life == 0 {
                running.signal(Signal::TERM);
                assert_eq!(running.end().code, Some(0));
            } else {
                running.kill();
            }
            Server::start_at(&home, &address, Some(&layer))
        });
        // What was under way when it was killed is asked for again, and answered from what the
        // killed process had written and not synced.
        for buyer in &mut buyers {
            buyer.settle(&address, &book);
        }
    }
    server.kill();
    Journal::read(layer.journal())
}

/// Starts on what a cut has left; what is missing of what had been answered, and what else is
/// wrong.
fn survivors(disk: &Disk<'_>, into: &Path, rng: &mut Rng) -> (u64, Vec<String>) {
    let home = into.join("home");
    disk.cut(&home, rng);
    let acks = into.join("acks.jsonl");
    std::fs::write(&acks, disk.acks()).expect("a scratch file");
    let server = match Server::try_start(&home, "127.0.0.1:0", None) {
        Ok(server) => server,
        Err(ended) => return (0, vec![format!("it does not start: {ended:?}")]),
    };
    let verified = try_verify(&home, &acks);
    drop(server);
    match verified {
        Ok(verified) => (verified.lost, verified.violated),
        Err(ended) => (0, vec![format!("no verdict: {ended:?}")]),
    }
}

#[test]
fn what_was_acknowledged_survives_power_cuts() {
    let mut rng = choices("power cut");
    let cuts = times(10, 200);
    let (mut injected, mut promised, mut lost) = (0, 0, 0);
    while injected < cuts {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let journal = record(scratch.path(), &mut rng);
        let mut moments: Vec<usize> = (0..CUTS_EACH.min(cuts - injected))
            .map(|_| rng.usize(0..journal.len()))
            .collect();
        moments.sort_unstable();
        let mut disk = Disk::new(&journal);
        for (number, moment) in moments.into_iter().enumerate() {
            disk.run_to(moment, &mut rng);
            let into = scratch.path().join(format!("cut-{number}"));
            std::fs::create_dir(&into).expect("a scratch directory");
            let (missing, wrong) = survivors(&disk, &into, &mut rng);
            if !wrong.is_empty() {
                let kept = scratch.keep();
                panic!(
                    "cut {number} at {moment} of {}, in {kept:?}: {wrong:#?}",
                    journal.len()
                );
            }
            std::fs::remove_dir_all(&into).expect("it is ours");
            injected += 1;
            promised += disk.acknowledged();
            lost += missing;
        }
    }
    tell("power cut", injected, promised, lost);
}

#[test]
fn a_disk_that_lies_about_syncs_loses_what_was_acknowledged_and_is_found_out() {
    let mut rng = choices("lying disk");
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let journal = record(scratch.path(), &mut rng);
    let mut disk = Disk::that_lies(&journal);
    disk.run_to(journal.len(), &mut rng);
    assert!(disk.acknowledged() > 0, "nothing was acknowledged");
    let (mut cuts, mut found) = (0_u64, 0_u64);
    for number in 0..5 {
        let into = scratch.path().join(format!("cut-{number}"));
        std::fs::create_dir(&into).expect("a scratch directory");
        let (missing, wrong) = survivors(&disk, &into, &mut rng);
        cuts += 1;
        found += u64::from(missing > 0 || !wrong.is_empty());
    }
    println!("lying disk: {cuts} cuts, {found} found out");
    assert!(
        found > 0,
        "nothing was missing of what no sync had made durable"
    );
}
