//! The library between the server and its disk and clock: built, handed over, and told what to do.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A word of the control page, by its place; `struct control` of `layer.c` has the same order.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Word {
    /// 1: nothing grows; 2: only shared memory does not.
    Full = 0,
    /// How many more syncs fail.
    SyncFails,
    /// 0: of any file; 1: of the write-ahead log; 2: of the database.
    SyncOf,
    /// Nothing can be written.
    ReadOnly,
    /// Added to the wall clock, in seconds.
    ClockSeconds,
    /// Calls that were refused.
    Refused,
    /// Syncs that were told to have failed.
    Unsynced,
    /// Wrong readings of the clock.
    Stepped,
}

/// The library's handles for one test.
pub(crate) struct Layer {
    home: PathBuf,
    page: PathBuf,
    control: File,
    journal: Option<PathBuf>,
}

impl Layer {
    /// For a server that keeps everything below `home`; the control page and the journal stand
    /// beside it.
    pub(crate) fn new(home: &Path) -> Self {
        Self::controlled(home, &home.with_extension("control"))
    }

    /// For a server of another user that works in its own folder and keeps what may fail below
    /// `home` there; the control page stands in a folder that everybody may enter.
    pub(crate) fn of_another(home: &str, scratch: &Path) -> Self {
        let everybody = |path: &Path, mode| {
            let set = std::fs::set_permissions(path, Permissions::from_mode(mode));
            set.expect("it is ours");
        };
        let page = scratch.join("database.control");
        let layer = Self::controlled(Path::new(home), &page);
        everybody(&page, 0o666);
        everybody(scratch, 0o711);
        everybody(built().parent().expect("it is in a folder"), 0o711);
        layer
    }

    fn controlled(home: &Path, page: &Path) -> Self {
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(page)
            .expect("a control page can be made");
        control.set_len(4096).expect("a page of zeros");
        Self {
            home: home.to_owned(),
            page: page.to_owned(),
            control,
            journal: None,
        }
    }

    /// The same with a journal of every change.
    pub(crate) fn with_journal(home: &Path) -> Self {
        let journal = Some(home.with_extension("journal"));
        Self {
            journal,
            ..Self::new(home)
        }
    }

    /// Where the journal is.
    pub(crate) fn journal(&self) -> &Path {
        let journal = self.journal.as_deref();
        journal.expect("this layer was asked for a journal")
    }

    /// Sets a word; the server sees it with its next call.
    pub(crate) fn set(&self, word: Word, value: i64) {
        let written = self.control.write_all_at(&value.to_le_bytes(), place(word));
        written.expect("the control page is open");
    }

    /// Reads a word.
    pub(crate) fn get(&self, word: Word) -> i64 {
        let mut bytes = [0; 8];
        let read = self.control.read_exact_at(&mut bytes, place(word));
        read.expect("the control page is whole");
        i64::from_le_bytes(bytes)
    }

    /// Reads a word that counts.
    pub(crate) fn count(&self, word: Word) -> u64 {
        u64::try_from(self.get(word)).expect("a count is not negative")
    }

    /// Puts it between a process and the C library.
    pub(crate) fn between(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", built())
            .env("FAULTS_ROOT", &self.home)
            .env("FAULTS_CONTROL", &self.page);
        if let Some(journal) = &self.journal {
            command.env("FAULTS_JOURNAL", journal);
        }
    }
}

fn place(word: Word) -> u64 {
    8 * word as u64
}

/// The library, compiled once; the compiler is the one that SQLite needs.
fn built() -> &'static Path {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = BUILT.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let library = directory.path().join("layer.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/layer.c");
        let compiled = Command::new("cc")
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .args(["-ldl", "-lpthread"])
            .output()
            .expect("a C compiler, as for the SQLite that is built in");
        assert!(compiled.status.success(), "{compiled:?}");
        (directory, library)
    });
    library
}

/// An address where nobody listens, for a server that comes back to where its clients know it.
pub(crate) fn free_address() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("it is bound");
    address.to_string()
}
