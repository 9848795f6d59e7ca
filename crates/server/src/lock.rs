//! `DIR/lock`: which one process writes a data directory.
//!
//! The lock is the operating system's, on the file; it ends with its process, however that ends.
//! The file's text, the holder's pid and URL, is for the loser, who is told whom to ask or sends
//! its command there. The text outlives its writer and is believed only while the lock is held.
//!
//! It is taken by the command that writes, never by the store: reading commands open beside it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use evenkeel_engine::store::sqlite::make_dir;
use serde::{Deserialize, Serialize};

/// Who holds a data directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// The process, or none when it has only just begun.
    pub(crate) pid: Option<u32>,
    /// Where it serves, or none when it is a command or does not serve yet.
    pub(crate) url: Option<String>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            Some(pid) => write!(out, "process {pid}")?,
            None => out.write_str("another process")?,
        }
        match &self.url {
            Some(url) => write!(out, ", which serves {url}"),
            None => Ok(()),
        }
    }
}

/// The right to write a data directory, until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// What came of asking for the lock.
#[derive(Debug)]
pub(crate) enum Taken {
    /// It is ours.
    Yes(Lock),
    /// It is somebody else's.
    No(Holder),
}

impl Lock {
    /// Takes the lock if nobody has it; makes the directory if it is not there.
    pub(crate) fn take_if_free(directory: &Path) -> std::io::Result<Taken> {
        make_dir(directory)?;
        let path = directory.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {
                let mut lock = Self { file };
                lock.write(&Holder {
                    pid: Some(std::process::id()),
                    url: None,
                })?;
                Ok(Taken::Yes(lock))
            }
            Err(TryLockError::WouldBlock) => Ok(Taken::No(read(&mut file))),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Says where this process serves, so that commands find it.
    pub(crate) fn announce(&mut self, url: &str) -> std::io::Result<()> {
        self.write(&Holder {
            pid: Some(std::process::id()),
            url: Some(url.to_owned()),
        })
    }

    fn write(&mut self, holder: &Holder) -> std::io::Result<()> {
        let text = serde_json::to_string(holder)?;
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(text.as_bytes())
    }
}

/// Who the file says holds the directory; true only while the lock is held.
fn read(file: &mut File) -> Holder {
    let mut text = String::new();
    // An unreadable text is that of a holder that is just writing it.
    let read = file.read_to_string(&mut text);
    read.ok()
        .and_then(|_| serde_json::from_str(&text).ok())
        .unwrap_or_default()
}

/// Who last said that they hold this directory, whether or not they still do.
pub(crate) fn last_holder(directory: &Path) -> Holder {
    File::open(directory.join("lock"))
        .map_or_else(|_| Holder::default(), |mut file| read(&mut file))
}

#[cfg(test)]
mod tests {
    use super::{Holder, Lock, Taken, last_holder};

    #[test]
    fn the_second_taker_is_told_who_has_it_and_where() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let Ok(Taken::Yes(mut lock)) = Lock::take_if_free(directory.path()) else {
            panic!("nobody has the lock yet");
        };
        lock.announce("http://127.0.0.1:7411")
            .expect("the lock file can be written");
        let Ok(Taken::No(holder)) = Lock::take_if_free(directory.path()) else {
            panic!("a lock was given twice");
        };
        let pid = std::process::id();
        let wanted = Holder {
            pid: Some(pid),
            url: Some("http://127.0.0.1:7411".to_owned()),
        };
        assert_eq!(holder, wanted);
        let told = format!("process {pid}, which serves http://127.0.0.1:7411");
        assert_eq!(holder.to_string(), told);
        drop(lock);
        assert!(matches!(
            Lock::take_if_free(directory.path()),
            Ok(Taken::Yes(_))
        ));
        assert_eq!(
            last_holder(directory.path()).url,
            None,
            "a new taker has not served yet"
        );
    }
}
