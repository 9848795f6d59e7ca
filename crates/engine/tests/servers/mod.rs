//! Real servers for tests: one process each, in its own folder and on its own port.
//!
//! A server that cannot be had fails the test that wanted it: nothing is skipped in silence.

use parking_lot::Mutex;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A PostgreSQL server. It ends when its standard input does: with this value, or with the process.
pub(crate) struct Server {
    port: u16,
    child: Child,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is to be had");
    listener.local_addr().expect("it is bound").port()
}

impl Server {
    /// Starts a server with these settings beside the usual ones.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_with(settings, |_| {})
    }

    /// The same, with what else its process is to be given.
    pub(crate) fn start_with(settings: &[&str], given: impl Fn(&mut Command)) -> Self {
        Self::start_as("", settings, given)
    }

    /// Starts a standby of another server, which follows it from here on.
    pub(crate) fn standby_of(primary: &Self) -> Self {
        let settings = ["synchronous_standby_names = ''"];
        Self::start_as(&primary.port.to_string(), &settings, |_| {})
    }

    fn start_as(standby_of: &str, settings: &[&str], given: impl Fn(&mut Command)) -> Self {
        // Somebody else may take the port in between: then it is another one.
        for _ in 0..5 {
            if let Some(server) = Self::try_start(standby_of, settings, &given) {
                return server;
            }
        }
        panic!("no PostgreSQL server could be started: see standard error");
    }

    fn try_start(
        standby_of: &str,
        settings: &[&str],
        given: impl Fn(&mut Command),
    ) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("evenkeel-postgres-{}-{number}", std::process::id());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/servers");
        let port = free_port();
        let mut command = Command::new("setsid");
        command
            .arg(script.join("postgres.sh"))
            .arg(std::env::temp_dir().join(name))
            .arg(port.to_string())
            .args(settings)
            .env("STANDBY_OF", standby_of);
        given(&mut command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell is to be had");
        let stdin = child.stdin.take().expect("it is piped");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its output can be read");
        if line.trim() != "ready" {
            drop(stdin);
            child.wait().expect("it is a child");
            return None;
        }
        Some(Self {
            port,
            child,
            talk: Mutex::new((stdin, stdout)),
        })
    }

    /// The port that it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Makes a standby the primary, and waits until it is.
    pub(crate) fn promote(&self) {
        let _promoted = self.tell("promote");
    }

    /// Its first process.
    pub(crate) fn pid(&self) -> u32 {
        let told = self.tell("pid");
        told.trim().parse().expect("a number")
    }

    fn tell(&self, word: &str) -> String {
        let mut talk = self.talk.lock();
        let (stdin, stdout) = &mut *talk;
        writeln!(stdin, "{word}").expect("it listens");
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it answers");
        assert!(!line.is_empty(), "the server is gone: see standard error");
        line
    }

    /// Kills the server, as a power cut would, and waits until it is dead.
    pub(crate) fn kill(&self) {
        let _killed = self.tell("kill");
    }

    /// Runs a statement; the last value that it gave.
    pub(crate) fn run(&self, statement: &str) -> String {
        self.tell(&format!("run {statement}")).trim().to_owned()
    }

    /// Makes a backup of the database `postgres`, as others write to it.
    pub(crate) fn dump(&self) {
        let _made = self.tell("dump");
    }

    /// Puts that backup back.
    pub(crate) fn load(&self) {
        let _put = self.tell("load");
    }

    /// How many lines of its log have this text.
    pub(crate) fn said(&self, text: &str) -> u64 {
        let told = self.tell(&format!("said {text}"));
        told.trim().parse().expect("a number")
    }

    /// Starts it again if it ended by itself, and waits until it answers.
    pub(crate) fn revive(&self) {
        let _started = self.tell("revive");
    }

    /// Starts it again.
    pub(crate) fn restart(&self) {
        let _started = self.tell("start");
    }

    /// The URL of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Standard input is closed with it, which is what the server ends by.
        let (stdin, _) = &mut *self.talk.lock();
        stdin.flush().expect("a pipe has nothing to flush");
        drop(self.child.try_wait());
    }
}

/// The server that all tests of this process share. It is never cut off from its power, so it need
/// not wait for the disk; a killed process loses nothing by that.
pub(crate) fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    SHARED.get_or_init(|| Server::start(&["fsync = off", "full_page_writes = off"]))
}
