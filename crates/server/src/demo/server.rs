//! The server as a child process: started, killed, started again, stopped.
//!
//! Kept: no child outlives its [`Server`], and none the demo (it is told to die with its parent).
//! The demo must start children from its main task: the system counts the thread that started a
//! child as its parent, and worker threads come and go.

use super::ground::Ground;
use crate::client::outside::{self, Crew};
use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::OpenOptions;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// How long the server may take until it serves, and until it has stopped.
const PATIENCE: Duration = Duration::from_secs(20);
/// As much of its log is shown when it does not serve.
const LOG_TAIL: usize = 2000;

/// A running child that serves.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// Reads what else it prints, so that it never waits for a reader.
    _reader: Crew<()>,
}

/// The program itself with another command, and no configuration but what is given here.
pub(super) fn program(command: &str) -> anyhow::Result<Command> {
    let mut program = Command::new(std::env::current_exe()?);
    program.arg(command).stdin(Stdio::null()).kill_on_drop(true);
    // A terminal's ctrl-c goes to its whole group: who started the child is to end it.
    program.process_group(0);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("EVENKEEL_") {
            program.env_remove(name);
        }
    }
    Ok(program)
}

impl Server {
    /// Starts it and waits until it says that it serves.
    ///
    /// # Errors
    /// It ended, or said nothing in time; the text has the end of its log.
    pub(super) async fn start(ground: &Ground) -> anyhow::Result<Self> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(ground.log())?;
        let mut child = program("serve")?
            .arg("--data")
            .arg(ground.data())
            .arg("--listen")
            .arg(ground.address().to_string())
            .envs(settings(ground))
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start the server")?;
        let stdout = child.stdout.take().context("its output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let ready = outside::within(PATIENCE, ready(&mut lines)).await;
        if ready != Some(Ready::Yes) {
            let tail = log_tail(&ground.log());
            bail!("the server did not come up; the end of its log:\n{tail}");
        }
        let mut reader = Crew::new();
        reader.add(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self {
            child,
            _reader: reader,
        })
    }

    /// Kills it with -9: no good-bye, nothing flushed.
    ///
    /// # Errors
    /// It had ended by itself, which it must not.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the server ended by itself: {status}");
        }
        self.child.kill().await.context("cannot kill the server")
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It had ended by itself, does not end, or does not end well.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("the server ended by itself: {status}");
        }
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.cast_signed()));
        kill_process(pid.context("it runs")?, Signal::TERM)?;
        let status = outside::within(PATIENCE, self.child.wait()).await;
        let status = status.context("the server does not end")??;
        anyhow::ensure!(status.success(), "the server did not end well: {status}");
        Ok(())
    }
}

/// Where the providers are, what they sign with, and how long an order's money may take: longer
/// than any card that pays in the end, short enough for one that pays too little.
fn settings(ground: &Ground) -> [(&'static str, String); 6] {
    let (bank, secret) = (ground.bank_url(), ground.secret());
    [
        ("EVENKEEL_DIE_WITH_PARENT", "1".to_owned()),
        ("EVENKEEL_PAYMENT__URL", format!("{bank}/payment")),
        ("EVENKEEL_PAYMENT__WEBHOOK_SECRET", secret.to_owned()),
        ("EVENKEEL_DELIVERY__URL", format!("{bank}/delivery")),
        ("EVENKEEL_DELIVERY__WEBHOOK_SECRET", secret.to_owned()),
        ("EVENKEEL_HOLDS__CONFIRMING_MS", "8000".to_owned()),
    ]
}

#[derive(Debug, PartialEq, Eq)]
enum Ready {
    Yes,
    No,
}

async fn ready(lines: &mut Lines<BufReader<ChildStdout>>) -> Ready {
    while let Ok(Some(line)) = lines.next_line().await {
        if line.starts_with("ready http://") {
            return Ready::Yes;
        }
    }
    Ready::No
}

fn log_tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_TAIL)..]).into_owned()
}
