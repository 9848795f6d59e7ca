//! A server of a test as a process: started, waited for, and ended with what holds it.
//!
//! Suites that take the real binary add what they need of their own: limits, a layer below its
//! files, a log. A process never outlives its [`Process`], nor the test that dies.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// A server that serves; killed and waited for when this is dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    /// `host:port`.
    pub(crate) address: String,
}

/// The command that serves the store in `data` below a directory.
pub(crate) fn serve(home: &Path, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command
        .args(["serve", "--listen", listen, "--data"])
        .arg(home.join("data"))
        .env("EVENKEEL_DIE_WITH_PARENT", "1");
    command
}

/// The token that a first start left there.
pub(crate) fn token(home: &Path) -> String {
    let token = std::fs::read_to_string(home.join("data/token"));
    let token = token.expect("a first start leaves a token");
    token.trim().to_owned()
}

impl Process {
    /// Starts it, and waits until it serves or has ended.
    pub(crate) fn start(command: &mut Command) -> Result<Self, ExitStatus> {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let out = child.stdout.take().expect("standard output is piped");
        let mut first = String::new();
        let read = BufReader::new(out).read_line(&mut first);
        read.expect("a pipe can be read");
        match first.trim().strip_prefix("ready http://") {
            Some(address) => Ok(Self {
                child,
                address: address.to_owned(),
            }),
            None => Err(child.wait().expect("it is ours")),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited = self.child.wait();
    }
}
