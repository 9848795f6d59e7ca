//! Scratch.
use evenkeel_sim::*;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let first: u64 = a[1].parse().expect("x");
    let seeds: u64 = a[2].parse().expect("x");
    let planted = a
        .get(3)
        .filter(|n| *n != "-")
        .map(|n| Planted::from_name(n).expect("x"));
    let faults = a
        .get(4)
        .map_or(FaultSet::all(), |n| FaultSet::parse(n).expect("x"));
    if seeds == 1 {
        let r = run_seed(first, &Options { faults, planted });
        for v in &r.violations {
            println!("{} @{} {}", v.invariant, v.step, v.what);
        }
        println!(
            "events {} {:02x?} {:?}",
            r.events,
            &r.trace_hash[..4],
            r.faults
        );
        return;
    }
    let t = std::time::Instant::now();
    let r = run_batch(
        &BatchOptions {
            first_seed: first,
            seeds,
            faults,
            planted,
            threads: 2,
        },
        &|_| {},
    );
    let mut r2 = r.clone();
    r2.failures.truncate(12);
    println!("{}", serde_json::to_string_pretty(&r2).expect("x"));
    for (k, v) in auditor::STATS.lock().iter() {
        println!("{v:8} {k}");
    }
    println!("{} failures; {:?}", r.failures.len(), t.elapsed());
}
