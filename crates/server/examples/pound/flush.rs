//! What the disk takes to confirm 4 KiB: every durable figure rests on it.

use anyhow::Context as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

const TIMES: usize = 1000;

/// Appends and flushes 4 KiB, again and again, in a file of the directory; median and p99 in ms.
pub(crate) fn measure(directory: &str) -> anyhow::Result<String> {
    let path = Path::new(directory).join("fsync");
    let mut file = File::create(&path).with_context(|| path.display().to_string())?;
    let mut took = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begun = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    std::fs::remove_file(&path)?;
    took.sort();
    let [median, late] = [TIMES / 2, TIMES * 99 / 100].map(|at| took[at].as_secs_f64() * 1e3);
    Ok(format!("{median:.3} {late:.3}"))
}
