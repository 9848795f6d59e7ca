//! The data directory, made so that a power cut does not take it away.
//!
//! A file system owes nobody a name whose directory was not synced, whatever was synced below it.

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes a directory and those above it that are missing, each synced into the one above it.
///
/// One that is there already is synced into the one above it as well, where that can be read: who
/// made it may have been killed before.
///
/// # Errors
/// It cannot be made, or the disk did not confirm it.
pub fn make_dir(dir: &Path) -> io::Result<()> {
    let above = match dir.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        Some(_) => Path::new("."),
        None => return Ok(()),
    };
    if dir.is_dir() {
        return File::open(above).map_or(Ok(()), |above| above.sync_all());
    }
    make_dir(above)?;
    match std::fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) if !dir.is_dir() => return Err(io::ErrorKind::NotADirectory.into()),
        Err(_) | Ok(()) => {}
    }
    sync_dir(above)
}

/// Syncs the names in a directory.
///
/// # Errors
/// It cannot be opened, or the disk did not confirm it.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_above_is_made_and_what_is_there_is_left() {
        let home = tempfile::tempdir().expect("a scratch directory");
        let deep = home.path().join("a/b/c");
        make_dir(&deep).expect("nothing is in the way");
        std::fs::write(deep.join("file"), "kept").expect("it is a directory");
        make_dir(&deep).expect("it is there");
        assert!(deep.join("file").exists());
        make_dir(&deep.join("file")).expect_err("a file is in the way");
        make_dir(&deep.join("file/under")).expect_err("a file is in the way");
    }
}
