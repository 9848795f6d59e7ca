//! The binary as a command of a person in some directory.

use std::path::Path;
use std::process::{Command, Output};

/// The command, with nothing that the environment says of a server.
pub(crate) fn evenkeel(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel"));
    command.current_dir(directory).args(arguments);
    for name in ["EVENKEEL_URL", "EVENKEEL_TOKEN"] {
        command.env_remove(name);
    }
    command
}

/// What became of it.
pub(crate) fn run(directory: &Path, arguments: &[&str]) -> Output {
    evenkeel(directory, arguments)
        .output()
        .expect("the binary was built for this test")
}
