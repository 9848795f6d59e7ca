//! Calls of sagas over anybody's services.
//!
//! A call may be made for longer than the lease lasts: it is made in slices, each of which the
//! lease outlives, and is dropped when the lease was not renewed in time. A call that was dropped
//! may have been acted on; whoever has the saga then makes it again under its key.

use super::probe::{Caller, Heard, Party};
use super::{Lent, Over, count, note, random};
use crate::commit::Command;
use crate::engine::Shared;
use crate::gateway::{Call, Gateway, Reply};
use crate::port::{Fault, SagaRow};
use evenkeel_rules::saga::journey::{Told, Turn};
use std::sync::Arc;
use std::time::Duration;

/// What a step without a body is sent.
const NOTHING: &str = "{}";

pub(super) async fn make_call(
    (shared, gateway): (Arc<Shared>, Arc<dyn Gateway>),
    (row, turn): (SagaRow, Turn),
    private: Option<String>,
    lent: Lent,
) -> Over {
    let created = row.created;
    let call = match call_of(&shared, &row, turn, private).await {
        Ok(call) => call,
        Err(fault) => {
            tracing::warn!(%fault, saga = %row.body.id, "a step was not called; it will be");
            return Over::unasked(created);
        }
    };
    let timeout = Duration::from_millis(row.body.steps[usize::from(turn.step)].timeout.0);
    let Some(reply) = call_under(&shared, &*gateway, (created, &call, timeout), &lent).await else {
        return Over::unasked(created);
    };
    let heard = Some(Heard {
        party: Party::of(&call),
        answered: count(&call, &reply),
        row: Caller::Saga(row.body.id.clone()),
    });
    let command = Command::ReportStep {
        id: row.body.id.clone(),
        turn,
        told: told(reply),
        seen: row.version,
        random: random(&shared),
        lease: Some(lent.token),
    };
    note(
        &shared,
        (command, None),
        (created, lent.token),
        &row.body.id,
    )
    .await;
    Over { created, heard }
}

/// Makes a call as long as the lease covers it; nothing if it was not or no longer covered.
async fn call_under(
    shared: &Shared,
    gateway: &dyn Gateway,
    (created, call, timeout): (u64, &Call, Duration),
    lent: &Lent,
) -> Option<Reply> {
    let covered = || {
        let mono = shared.clock.mono();
        shared.held.right(created, mono, lent.timeout) == Some(lent.token)
    };
    // Reading the bodies may have taken its time.
    if !covered() {
        return None;
    }
    if timeout <= lent.timeout {
        return Some(gateway.call(call, timeout).await);
    }
    let mut reply = gateway.call(call, timeout);
    loop {
        tokio::select! {
            biased;
            reply = &mut reply => return Some(reply),
            () = shared.clock.sleep(lent.timeout) => {}
        }
        if !covered() {
            return None;
        }
    }
}

async fn call_of(
    shared: &Shared,
    row: &SagaRow,
    turn: Turn,
    private: Option<String>,
) -> Result<Call, Fault> {
    let journey = &row.body;
    let step = &journey.steps[usize::from(turn.step)];
    let undo_url = step.undo_url.as_ref().filter(|_| turn.undo);
    let body = match (&journey.bodies, private) {
        (None, _) => NOTHING.to_owned(),
        (Some(_), Some(bodies)) => body_of(&bodies, turn),
        (Some(_), None) => {
            let text = shared.store.private((row.created, 0)).await?.rows;
            body_of(&text.map_or_else(String::new, |row| row.text), turn)
        }
    };
    Ok(Call::Step {
        key: journey.key(turn),
        url: undo_url.unwrap_or(&step.url).clone(),
        body,
    })
}

/// The body of a step out of those of all of them.
fn body_of(bodies: &str, turn: Turn) -> String {
    let all: Vec<Option<&serde_json::value::RawValue>> =
        serde_json::from_str(bodies).unwrap_or_default();
    let own = all.get(usize::from(turn.step)).copied().flatten();
    own.map_or_else(|| NOTHING.to_owned(), |own| own.get().to_owned())
}

fn told(reply: Reply) -> Told {
    match reply {
        Reply::Done => Told::Done,
        Reply::Refused { .. } => Told::Refused,
        Reply::NotSent { why } => {
            tracing::debug!(why, "a step was not sent");
            Told::NotSent
        }
        // An answer to another kind of call is no answer to a step.
        Reply::Unknown | Reply::NeverSeen | Reply::Money(_) | Reply::Delivery { .. } => {
            Told::Unknown
        }
    }
}
