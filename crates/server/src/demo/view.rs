//! The live view: a picture on a terminal, plain lines where there is none, nothing with `--json`.
//!
//! On standard error, so that standard output has the report alone. The picture asks the server
//! for balances and orders as any client would, a few times a second, and keeps the last answer
//! while the server is dead. When it is dropped nothing of it is left on the screen.

use super::DemoArgs;
use super::sale::Sale;
use super::scene::{Frame, accounts, scene, statuses};
use super::stage::Stage;
use crate::client::outside::{self, Crew};
use crate::columns::{WIDTH, cut};
use crate::load::tally::Tally;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal as _, stderr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How often the picture is drawn.
const REDRAW: Duration = Duration::from_millis(250);
/// How often a line is printed where there is no picture.
const LINE: Duration = Duration::from_secs(1);

/// A view, or nothing where nobody looks.
#[derive(Debug)]
pub(super) struct View {
    place: Place,
    began: Instant,
}

#[derive(Debug, Clone)]
enum Place {
    /// A terminal.
    Screen(ProgressBar),
    /// A file, a pipe, a build's log.
    Lines,
    /// A program reads the report.
    Nowhere,
}

impl View {
    pub(super) fn new(args: &DemoArgs) -> Self {
        let place = if stderr().is_terminal() {
            let bar = ProgressBar::no_length();
            let style = ProgressStyle::with_template("{msg}");
            bar.set_style(style.expect("the template is well formed"));
            Place::Screen(bar)
        } else if args.json {
            Place::Nowhere
        } else {
            Place::Lines
        };
        let began = outside::now();
        Self { place, began }
    }

    /// Says what is being done.
    pub(super) fn say(&self, what: &str) {
        match &self.place {
            Place::Screen(bar) => bar.set_message(format!("demo        {what}")),
            Place::Lines => line(self.began.elapsed(), what),
            Place::Nowhere => {}
        }
    }

    /// Shows the sale until the watch is dropped.
    pub(super) fn watch(&self, args: &DemoArgs, stage: &Stage, sale: &Arc<Sale>) -> Crew<()> {
        let mut crew = Crew::new();
        let watch = Watch {
            stage: stage.clone(),
            sale: Arc::clone(sale),
            before: (sale.opened, Tally::default()),
            frame: Frame {
                buyers: args.buyers,
                units: args.units.into(),
                ..Frame::default()
            },
        };
        match &self.place {
            Place::Screen(bar) => crew.add(watch.draw(bar.clone())),
            Place::Lines => crew.add(watch.print(self.began)),
            Place::Nowhere => {}
        }
        crew
    }

    /// Leaves nothing of it on the screen.
    pub(super) fn end(&self) {
        if let Place::Screen(bar) = &self.place {
            bar.finish_and_clear();
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.end();
    }
}

fn line(at: Duration, what: &str) {
    let line = format!("{:>7.1} s   {what}", at.as_secs_f64());
    eprintln!("{}", cut(&line, WIDTH));
}

/// Who looks at the sale, and what was seen last.
struct Watch {
    stage: Stage,
    sale: Arc<Sale>,
    /// When the last sample was taken, and of what.
    before: (Instant, Tally),
    frame: Frame,
}

impl Watch {
    async fn draw(mut self, bar: ProgressBar) {
        loop {
            self.look().await;
            bar.set_message(scene(&self.frame));
            outside::pause(REDRAW).await;
        }
    }

    /// A line for whatever happens, and one each second.
    async fn print(mut self, began: Instant) {
        let (mut told, mut last) = (0, began);
        let opened = self.sale.opened.duration_since(began);
        loop {
            self.frame.news = self.sale.news();
            for (at, what) in self.frame.news.iter().skip(told) {
                line(opened + *at, what);
            }
            told = self.frame.news.len();
            if last.elapsed() >= LINE {
                last = outside::now();
                self.look().await;
                for part in self.summary() {
                    line(began.elapsed(), &part);
                }
            }
            outside::pause(REDRAW).await;
        }
    }

    fn summary(&self) -> [String; 2] {
        let frame = &self.frame;
        let units = frame.balances.as_ref().map(accounts).unwrap_or_default();
        let (rate, p99) = (frame.rates.now(), frame.latencies.now());
        let orders = format!("orders: {}", statuses(&frame.orders));
        let speed = format!("{rate:.0} answers/s, p99 {p99:.1} ms");
        [format!("{units}; {speed}"), orders]
    }

    /// Takes a sample, and asks the server, which may be dead at the moment.
    async fn look(&mut self) {
        let (now, tally) = (outside::now(), self.stage.recorder.tally());
        let (then, before) = std::mem::replace(&mut self.before, (now, tally.clone()));
        let answers = tally.requests().saturating_sub(before.requests());
        let seconds = now.duration_since(then).as_secs_f64().max(0.001);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rate is shown, not counted with"
        )]
        self.frame.rates.push(answers as f64 / seconds);
        let latency = &tally.latency - &before.latency;
        self.frame.latencies.push(latency.quantile_ms(0.99));
        self.frame.elapsed = self.sale.opened.elapsed();
        self.frame.refused = self.sale.refused.load(Ordering::Relaxed);
        self.frame.news = self.sale.news();
        if let Some(Ok(balances)) = outside::within(REDRAW, self.stage.look.balances()).await {
            self.frame.balances = Some(balances);
        }
        if let Some(Ok(orders)) = outside::within(REDRAW, self.stage.orders.newest()).await {
            self.frame.orders = super::report::by_status(&orders);
        }
    }
}
