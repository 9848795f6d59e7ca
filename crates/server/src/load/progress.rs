//! A progress bar on standard error, where somebody looks at it and it lasts.

use super::tally::Recorder;
use crate::client::outside::{self, Crew};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal as _, stderr};
use std::sync::Arc;
use std::time::Duration;

/// Shorter runs need no bar.
const WORTH_IT: Duration = Duration::from_secs(2);
const REDRAW: Duration = Duration::from_millis(200);

/// A bar that runs until it is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    _redraw: Crew<()>,
}

impl Progress {
    /// A bar for a run of this length, counting a recorder's answers; nothing off a terminal.
    pub(super) fn start(length: Duration, recorder: &Arc<Recorder>) -> Option<Self> {
        if length <= WORTH_IT || !stderr().is_terminal() {
            return None;
        }
        let bar = ProgressBar::new(length.as_secs());
        let style = ProgressStyle::with_template("{elapsed:>4} [{bar:40}] {len} s  {msg}")
            .expect("the template is well formed")
            .progress_chars("=> ");
        bar.set_style(style);
        let mut redraw = Crew::new();
        redraw.add(tick(bar.clone(), Arc::clone(recorder)));
        Some(Self {
            bar,
            _redraw: redraw,
        })
    }
}

async fn tick(bar: ProgressBar, recorder: Arc<Recorder>) {
    loop {
        bar.set_position(bar.elapsed().as_secs());
        bar.set_message(format!("{} answers", recorder.requests()));
        outside::pause(REDRAW).await;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
