//! The live view: two lines on standard error while the sale goes on, on a terminal only.

use super::DemoArgs;
use super::sale::Sale;
use crate::client::outside::{self, Crew};
use crate::load::tally::Recorder;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal as _, stderr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const REDRAW: Duration = Duration::from_millis(100);

/// A view, or nothing where nobody looks.
#[derive(Debug)]
pub(super) struct View {
    bar: ProgressBar,
}

impl View {
    pub(super) fn new(args: &DemoArgs) -> Self {
        let bar = ProgressBar::new(args.units.into());
        if !stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let style =
            ProgressStyle::with_template("{spinner} {msg}").expect("the template is well formed");
        bar.set_style(style);
        bar.enable_steady_tick(REDRAW);
        Self { bar }
    }

    /// Says what is being done.
    pub(super) fn say(&self, what: &str) {
        let style =
            ProgressStyle::with_template("{spinner} {msg}").expect("the template is well formed");
        self.bar.set_style(style);
        self.bar.set_message(what.to_owned());
    }

    /// Shows the sale until the watch is dropped.
    pub(super) fn watch(&self, sale: &Arc<Sale>, recorder: &Arc<Recorder>) -> Crew<()> {
        let mut crew = Crew::new();
        if !self.bar.is_hidden() {
            crew.add(show(
                self.bar.clone(),
                Arc::clone(sale),
                Arc::clone(recorder),
            ));
        }
        crew
    }

    /// Leaves nothing of it on the screen.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.end();
    }
}

async fn show(bar: ProgressBar, sale: Arc<Sale>, recorder: Arc<Recorder>) {
    let style = ProgressStyle::with_template("sold {pos} of {len} [{bar:50}] {elapsed}\n{msg}")
        .expect("the template is well formed")
        .progress_chars("=> ");
    bar.set_style(style);
    loop {
        let tally = recorder.tally();
        let held = sale.held.load(Ordering::Relaxed);
        let refused = sale.refused.load(Ordering::Relaxed);
        let paid = sale.paid.load(Ordering::Relaxed);
        let kills = sale.kills.load(Ordering::Relaxed);
        bar.set_position(sale.sold.load(Ordering::Relaxed));
        let (requests, latency) = (tally.requests(), &tally.latency);
        let (p50, p99) = (latency.quantile_ms(0.5), latency.quantile_ms(0.99));
        bar.set_message(format!(
            "held {held}  paid {paid}  refused {refused}  answers {requests}  p50 {p50:.1} ms  \
             p99 {p99:.1} ms  kill -9: {kills}"
        ));
        outside::pause(REDRAW).await;
    }
}
