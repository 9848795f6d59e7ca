//! The live view as text: what is known of the sale at one moment, drawn at most 100 columns wide.
//!
//! Pure: a [`Frame`] goes in, lines come out. Nothing here asks, counts or waits, and what is not
//! known yet is not drawn as if it were nothing.

use crate::columns::{WIDTH, cut};
use crate::load::book::Balances;
use evenkeel_rules::order::Status;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

/// Samples that a graph shows.
const GRAPH: usize = 48;
/// Cells of the bar of units.
const BAR: usize = 60;
/// Things that happened, the newest ones.
const NEWS: usize = 6;

/// What is known at one moment.
#[derive(Debug, Default, Clone)]
pub(super) struct Frame {
    pub(super) buyers: u32,
    pub(super) units: u64,
    /// Since the opening.
    pub(super) elapsed: Duration,
    /// Where the units are, once the server showed it.
    pub(super) balances: Option<Balances>,
    /// Orders by status, as far as was looked.
    pub(super) orders: BTreeMap<String, u64>,
    /// Answers a second.
    pub(super) rates: Samples,
    /// 99 of 100 answers were quicker, in milliseconds.
    pub(super) latencies: Samples,
    pub(super) refused: u64,
    /// What happened to the servers, and when.
    pub(super) news: Vec<(Duration, String)>,
}

/// The last values of something, and the greatest that it ever had.
#[derive(Debug, Default, Clone)]
pub(super) struct Samples {
    last: VecDeque<f64>,
    most: f64,
}

impl Samples {
    pub(super) fn push(&mut self, value: f64) {
        if self.last.len() == GRAPH {
            self.last.pop_front();
        }
        self.last.push_back(value);
        self.most = self.most.max(value);
    }

    pub(super) fn now(&self) -> f64 {
        self.last.back().copied().unwrap_or_default()
    }

    /// A column for each value, the greatest of those shown being the highest.
    fn graph(&self) -> String {
        const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let top = self.last.iter().copied().fold(0.0, f64::max);
        let column = |value: &f64| {
            let step = STEPS.len() - 1;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of seven is a small number"
            )]
            let height = (value / top * 7.0).round() as usize;
            if top > 0.0 {
                STEPS[height.min(step)]
            } else {
                STEPS[0]
            }
        };
        self.last.iter().map(column).collect()
    }
}

/// The frame as lines.
pub(super) fn scene(frame: &Frame) -> String {
    let Frame {
        buyers,
        units,
        elapsed,
        refused,
        ..
    } = frame;
    let mut lines = vec![format!(
        "flash sale  {buyers} buyers, {units} units, {:.1} s",
        elapsed.as_secs_f64()
    )];
    if let Some(balances) = &frame.balances {
        lines.push(format!("units       {}", bar(*units, balances)));
        lines.push(format!("            {}", accounts(balances)));
    }
    lines.push(format!("orders      {}", statuses(&frame.orders)));
    let rate = &frame.rates;
    lines.push(graph("answers/s", rate, |value| format!("{value:.0}")));
    lines.push(graph("p99 ms", &frame.latencies, |value| {
        format!("{value:.1}")
    }));
    lines.push(format!("refused     {refused} times sold out"));
    let older = frame.news.len().saturating_sub(NEWS);
    for (at, what) in &frame.news[older..] {
        lines.push(format!("{:>7.1} s   {what}", at.as_secs_f64()));
    }
    let lines = lines.iter().map(|line| cut(line, WIDTH));
    lines.collect::<Vec<_>>().join("\n")
}

fn graph(name: &str, samples: &Samples, text: impl Fn(f64) -> String) -> String {
    let (now, most) = (text(samples.now()), text(samples.most));
    format!(
        "{name:<11} {:<GRAPH$}  {now} now, {most} at most",
        samples.graph()
    )
}

/// Units by account: those that are somebody's, those that are held, those that are left.
fn bar(units: u64, balances: &Balances) -> String {
    let share = |count: i64| {
        let count = u64::try_from(count).unwrap_or_default();
        usize::try_from(count * BAR as u64 / units.max(1))
            .unwrap_or(BAR)
            .min(BAR)
    };
    let gone = share(balances.sold + balances.shipped);
    let held = share(balances.sold + balances.shipped + balances.held).saturating_sub(gone);
    let left = BAR.saturating_sub(gone + held);
    format!(
        "{}{}{}",
        "█".repeat(gone),
        "▒".repeat(held),
        "·".repeat(left)
    )
}

/// Each account that has units; those of a sale always.
pub(super) fn accounts(balances: &Balances) -> String {
    let always = [
        ("available", balances.available),
        ("held", balances.held),
        ("sold", balances.sold),
        ("shipped", balances.shipped),
    ];
    let other = [
        ("returned", balances.returned),
        ("written off", balances.written_off),
    ];
    let other = other.into_iter().filter(|(_, count)| *count != 0);
    let mut text = String::new();
    for (name, count) in always.into_iter().chain(other) {
        let _ = write!(text, "{count} {name}  ");
    }
    text.trim_end().to_owned()
}

/// Orders by status, in the order of a life.
pub(super) fn statuses(orders: &BTreeMap<String, u64>) -> String {
    let life = Status::ALL.iter().map(|status| status.name());
    let known = life.filter_map(|status| Some((status, orders.get(status)?)));
    let words: Vec<String> = known
        .map(|(status, count)| format!("{count} {status}"))
        .collect();
    if words.is_empty() {
        return "none yet".to_owned();
    }
    words.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balances() -> Balances {
        Balances {
            received: 100,
            available: 30,
            held: 10,
            sold: 20,
            shipped: 40,
            returned: 0,
            written_off: 0,
        }
    }

    fn frame() -> Frame {
        let mut frame = Frame {
            buyers: 2000,
            units: 100,
            elapsed: Duration::from_millis(4250),
            balances: Some(balances()),
            orders: [("DELIVERED".to_owned(), 7), ("PENDING".to_owned(), 2)].into(),
            refused: 31_221,
            ..Frame::default()
        };
        for value in 0..100 {
            frame.rates.push(f64::from(value));
            frame.latencies.push(0.5);
        }
        frame.news = vec![(Duration::from_millis(1200), "kill -9".to_owned())];
        frame
    }

    #[test]
    fn a_scene_shows_units_orders_graphs_and_what_happened() {
        let scene = scene(&frame());
        let lines: Vec<&str> = scene.lines().collect();
        assert_eq!(lines[0], "flash sale  2000 buyers, 100 units, 4.2 s");
        let bar = format!(
            "units       {}{}{}",
            "█".repeat(36),
            "▒".repeat(6),
            "·".repeat(18)
        );
        assert_eq!(lines[1], bar);
        assert_eq!(
            lines[2].trim_start(),
            "30 available  10 held  20 sold  40 shipped"
        );
        assert_eq!(lines[3], "orders      2 PENDING  7 DELIVERED");
        assert!(lines[4].ends_with("█  99 now, 99 at most"), "{}", lines[4]);
        assert!(lines[5].ends_with("0.5 now, 0.5 at most"), "{}", lines[5]);
        assert_eq!(lines[6], "refused     31221 times sold out");
        assert_eq!(lines[7], "    1.2 s   kill -9");
    }

    #[test]
    fn no_line_is_wider_than_a_terminal_and_none_is_more_than_a_screen() {
        let mut frame = frame();
        frame.news = vec![(Duration::from_secs(1), "x".repeat(300)); 50];
        frame.orders = [
            "QUEUED",
            "PENDING",
            "PAID",
            "CONFIRMED",
            "SHIPPED",
            "DELIVERED",
        ]
        .map(|status| (status.to_owned(), u64::MAX))
        .into();
        let scene = scene(&frame);
        assert!(
            scene.lines().all(|line| line.chars().count() <= WIDTH),
            "{scene}"
        );
        assert!(scene.lines().count() <= 16, "{scene}");
    }

    #[test]
    fn what_is_not_known_is_not_drawn() {
        let scene = scene(&Frame::default());
        assert!(!scene.contains("available"), "{scene}");
        assert!(scene.contains("none yet"), "{scene}");
    }
}
