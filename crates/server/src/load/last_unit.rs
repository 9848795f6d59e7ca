//! Scenario `last-unit`: one unit, and everybody wants it until the time is over.
//!
//! Green when there is exactly one winner, the winner's own retry (same key, same body) is
//! answered as a replay with the same hold while everybody else is told "sold out", and the unit
//! can be bought again once it was given back.

use super::LoadArgs;
use super::acks::AcksFile;
use super::ask::{Ask, until_decided};
use super::book::{Book, Ending, Entry, Verdict};
use super::fleet::{Hammer, PATIENCE, Win};
use super::probe::Prober;
use super::report::{Check, Report};
use super::stage::Stage;
use super::tally::Recorder;
use super::{encode_hold, rounds};
use crate::client::Wire;
use std::sync::Arc;

pub(super) async fn run(args: &LoadArgs) -> anyhow::Result<Report> {
    let (acks, log) = args
        .acks
        .as_deref()
        .map(AcksFile::create)
        .transpose()?
        .unzip();
    let stage = Arc::new(Stage::set(args, 1).await?);
    let recorder = Arc::new(Recorder::new(log));
    let hammer = |number| Hammer::new(&stage.target, &stage, &recorder, number);
    let workers = (0..args.connections).map(hammer).collect();
    let outcome = rounds::run(args, &stage, &recorder, workers).await?;

    let mut wins = Vec::new();
    let mut book = Book::default();
    for worker in &outcome.workers {
        wins.extend(worker.wins.iter().cloned());
        book.undecided += worker.undecided;
    }
    book.entries.extend(wins.iter().map(entry));
    let held = i64::try_from(book.units(Ending::Held))?;
    let balances = stage.look().quiet(held).await?;
    let mut verdict = book.judge(1, &stage.look().shown(&book, balances).await?);
    let mut wire = Wire::new(&stage.target, stage.limits);
    for win in &wins {
        retry(&stage, &mut wire, &recorder, win, &mut verdict).await;
    }
    if wins.len() != 1 {
        verdict.note(format!("{} buyers won the one unit", wins.len()));
    }
    for win in &wins {
        give_back(&stage, &mut wire, &recorder, win, &mut verdict).await;
    }
    let available = u64::try_from(stage.look().quiet(0).await?.available).unwrap_or(0);
    if available != 1 {
        verdict.note(format!(
            "the unit was given back, {available} are available"
        ));
    }
    let prober = Prober {
        buyers: &stage.buyers,
        sku: &stage.sku,
        run: &stage.run,
        recorder: &recorder,
    };
    let probe = prober.run(&mut wire, available).await.ok();
    recorder.stop_acks();
    stage.leave().await;
    if let Some(acks) = acks {
        acks.finish().await?;
    }
    let sold = book.units(Ending::Held);
    let check = Check {
        units: 1,
        sold,
        winners: wins.len() as u64,
        verdict,
        probe,
    };
    Ok(Report::new(args, &outcome, check))
}

fn entry(win: &Win) -> Entry {
    let (id, granted) = (win.id.clone(), win.granted);
    Entry {
        id,
        units: 1,
        granted,
        until: None,
        ending: Ending::Held,
    }
}

/// The winner asks again, as a client does that never saw its answer.
async fn retry(
    stage: &Stage,
    wire: &mut Wire,
    recorder: &Recorder,
    win: &Win,
    verdict: &mut Verdict,
) {
    let caller = &stage.buyers[win.buyer];
    let ask = Ask {
        caller,
        route: "/v1/holds",
        key: &win.key,
        body: &encode_hold(caller, &stage.sku, 1, stage.ttl_ms),
        id: None,
        lines: Some((&stage.sku, 1)),
    };
    match until_decided(wire, recorder, &ask, PATIENCE).await {
        Ok(again) if again.id.as_ref() == Some(&win.id) && again.replayed => {}
        Ok(again) if again.is_success() && again.id.as_ref() != Some(&win.id) => {
            verdict.double += 1;
            verdict.note(format!(
                "the retry of {} got another hold: {again:?}",
                win.id
            ));
        }
        Ok(again) if again.is_success() => {
            verdict.note(format!(
                "the retry of {} was not marked as a replay",
                win.id
            ));
        }
        Ok(again) => {
            verdict.lost += 1;
            let (status, code) = (again.status, again.code);
            verdict.note(format!(
                "the retry of {} was answered {status} {code}",
                win.id
            ));
        }
        Err(undecided) => verdict.note(format!("the retry of {}: {undecided}", win.id)),
    }
}

async fn give_back(
    stage: &Stage,
    wire: &mut Wire,
    recorder: &Recorder,
    win: &Win,
    verdict: &mut Verdict,
) {
    let ask = Ask {
        caller: &stage.buyers[win.buyer],
        route: &format!("/v1/holds/{}/release", win.id),
        key: &format!("{}-back", win.key),
        body: "{}",
        id: Some(&win.id),
        lines: Some((&stage.sku, 1)),
    };
    match until_decided(wire, recorder, &ask, PATIENCE).await {
        Ok(released) if released.is_success() => {}
        other => verdict.note(format!("hold {} could not be released: {other:?}", win.id)),
    }
}
