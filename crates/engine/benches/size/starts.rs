//! Processes on one directory: one that fills it and is killed, and some that start on it.

use crate::common::{argument, ask, list, receive, request, sku, times};
use crate::speed::Kind;
use crate::{FILLERS, LONG, SKUS, itself, mib, open, place};
use evenkeel_engine::Engine;
use evenkeel_engine::commit::Command;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Child;
use std::time::Instant;

/// Starts of each kind.
const STARTS: usize = 3;

/// What a process of this bench does.
pub(crate) async fn play(role: &str, dir: &Path, holds: u64) {
    let engine = open(dir).await;
    match role {
        "live" | "ended" => {
            let kind = if role == "live" {
                Kind::Live
            } else {
                Kind::Ended
            };
            let begin = Instant::now();
            fill(&engine, kind, holds).await;
            let took = begin.elapsed().as_secs_f64();
            let (now, peak) = (mib("VmRSS:"), mib("VmHWM:"));
            println!(
                "{holds} {role} holds made in {took:.0} s, {:.0} a second; \
                 resident {now} MiB, at most {peak} MiB",
                holds as f64 / took
            );
            // It is killed in the middle of this.
            fill(&engine, Kind::Ended, u64::MAX).await;
        }
        _ => {
            ask(&engine, receive(sku(0)), "").await;
            println!("{}", mib("VmRSS:"));
            if role == "end" {
                engine.stop().await;
            } else {
                fill(&engine, Kind::Ended, u64::MAX).await;
            }
        }
    }
}

/// Makes holds, many at a time; they are released at once if they are to have ended.
pub(crate) async fn fill(engine: &Engine, kind: Kind, holds: u64) {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..SKUS {
        let engine = engine.clone();
        tasks.spawn(async move { list(&engine, number).await });
    }
    while tasks.join_next().await.is_some() {}
    let engine = engine.clone();
    let once = move || {
        let engine = engine.clone();
        async move { one(&engine, kind, &mut fastrand::Rng::new()).await }
    };
    times(holds, FILLERS, once).await;
}

/// One hold, which ends at once if it is to.
pub(crate) async fn one(engine: &Engine, kind: Kind, dice: &mut fastrand::Rng) {
    let sku = sku(dice.u64(..SKUS));
    let asked = place(dice, sku, LONG);
    let Command::Place(placed) = &asked.command else {
        unreachable!("a place")
    };
    let id = placed.id.clone();
    engine.execute(asked).await.expect("placed");
    if kind == Kind::Ended {
        let ended = engine.execute(request(Command::Release { id }, "")).await;
        ended.expect("released");
    }
}

/// Starts a process and waits for its first line.
fn started(role: &str, dir: &Path) -> (Child, String) {
    let mut child = itself(role, dir).spawn().expect("it can be started");
    let out = child.stdout.take().expect("standard output is piped");
    let mut line = String::new();
    let read = BufReader::new(out).read_line(&mut line);
    read.expect("a pipe can be read");
    (child, line.trim().to_owned())
}

fn kill(mut child: Child) {
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
}

/// Fills a directory in a process that is killed in the middle of more.
pub(crate) fn filled(kind: Kind, dir: &Path) {
    let (child, said) = started(kind.name(), dir);
    println!("{said}");
    kill(child);
}

/// How long starts take until a request is answered, and what they have in memory then.
pub(crate) fn print(dir: &Path) {
    for (what, role, cold) in [
        ("after kill -9 under load", "start", false),
        (
            "after kill -9, nothing of the file in memory",
            "start",
            true,
        ),
        ("after an end in order", "end", false),
    ] {
        if cold && !drop_caches() {
            println!("{what}: not measured, this takes root");
            continue;
        }
        if role == "end" {
            // The one before was killed.
            let (mut child, _) = started("end", dir);
            child.wait().expect("it is ours");
        }
        let mut took = Vec::new();
        let mut resident = 0;
        for _ in 0..argument("--starts", STARTS as u64) {
            if cold {
                drop_caches();
            }
            let begin = Instant::now();
            let (mut child, said) = started(role, dir);
            took.push(begin.elapsed().as_secs_f64() * 1_000.0);
            resident = said.parse().unwrap_or(0);
            if role == "end" {
                child.wait().expect("it is ours");
            } else {
                kill(child);
            }
        }
        let [median, least, most] = crate::common::spread(took);
        println!(
            "first answer {what}: {median:.0} ms ({least:.0}-{most:.0}), resident {resident} MiB"
        );
    }
}

/// Has the system forget what it has read of files; whether it may.
fn drop_caches() -> bool {
    std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}
