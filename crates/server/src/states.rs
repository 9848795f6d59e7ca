//! The page of states: every machine of the rules, written from the rules.
//!
//! Compiled for tests only. A pair that a rule allows and the page does not show, or the other way
//! round, fails the test; `BLESS=1` writes the page.

use crate::reference::hold_to;
use evenkeel_rules::event::{Aggregate, Kind};
use evenkeel_rules::hold::{Ending, State as Hold};
use evenkeel_rules::order::Status as Order;
use evenkeel_rules::payment::Status as Payment;
use evenkeel_rules::saga::{self, Action, Nature};
use evenkeel_rules::shipment::Status as Shipment;
use std::fmt::Write as _;

fn machine<S: Copy>(
    text: &mut String,
    title: &str,
    states: &[S],
    (name, may): (fn(S) -> &'static str, &dyn Fn(S, S) -> bool),
) {
    write!(text, "\n## {title}\n\n| from | to |\n|---|---|\n").expect("text grows in memory");
    for from in states {
        let to: Vec<_> = states.iter().filter(|to| may(*from, **to)).collect();
        let to: Vec<_> = to
            .into_iter()
            .map(|to| format!("`{}`", name(*to)))
            .collect();
        let to = if to.is_empty() {
            "(ended)".to_owned()
        } else {
            to.join(", ")
        };
        writeln!(text, "| `{}` | {to} |", name(*from)).expect("text grows in memory");
    }
}

const fn nature(nature: Nature) -> &'static str {
    match nature {
        Nature::Compensatable => "compensatable",
        Nature::Pivot => "pivot",
        Nature::Retriable => "retriable",
    }
}

fn sagas(text: &mut String) {
    for (name, steps) in saga::REGISTRY {
        let head = "| step | kind | action | undone by |\n|---|---|---|---|";
        write!(text, "\n## Saga `{name}`\n\n{head}\n").expect("text grows in memory");
        for step in *steps {
            let word = |action: Action| format!("{action:?}");
            let undone = step.compensation.map_or_else(String::new, word);
            writeln!(
                text,
                "| `{}` | {} | {} | {undone} |",
                step.name,
                nature(step.nature),
                word(step.action),
            )
            .expect("text grows in memory");
        }
    }
}

fn events(text: &mut String) {
    text.push_str("\n## Events\n\n| type | stream | meaning |\n|---|---|---|\n");
    for kind in Kind::ALL {
        let stream = kind.aggregate().word();
        writeln!(
            text,
            "| `{}` | `{stream}:` | {} |",
            kind.name(),
            kind.meaning()
        )
        .expect("text grows in memory");
    }
}

#[test]
fn the_page_of_states_is_what_the_rules_say() {
    let mut text = String::new();
    let hold = |from: Hold, to: Hold| {
        let endings = [Ending::Confirm, Ending::Release, Ending::Expire];
        let mut ends = endings.into_iter().filter_map(|end| from.next(end).ok());
        let begins = (from, to) == (Hold::Held, Hold::Confirming);
        begins || ends.any(|after| after == to)
    };
    machine(&mut text, "Hold", &Hold::ALL, (Hold::name, &hold));
    let order = |from: Order, to: Order| from.next(to).is_ok();
    machine(&mut text, "Order", &Order::ALL, (Order::name, &order));
    let payment = |from: Payment, to: Payment| from.may_become(to);
    machine(
        &mut text,
        "Payment",
        &Payment::ALL,
        (Payment::name, &payment),
    );
    let shipment = |from: Shipment, to: Shipment| from.next(to).is_ok();
    machine(
        &mut text,
        "Shipment",
        &Shipment::ALL,
        (Shipment::name, &shipment),
    );
    sagas(&mut text);
    events(&mut text);
    hold_to("states.md", &text);
}

#[test]
fn every_stream_has_an_event_that_begins_it() {
    for aggregate in Aggregate::ALL {
        let mut all = Kind::ALL
            .iter()
            .filter(|kind| kind.aggregate() == aggregate);
        assert!(all.any(|kind| kind.begins()), "{}", aggregate.word());
    }
}
