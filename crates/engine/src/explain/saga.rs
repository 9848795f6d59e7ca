//! The story of a saga over anybody's services.

use super::words::Words;
use super::{Component, Finding, Next, Pages, Step, Story};
use crate::port::{Fault, SagaRow, Store};
use crate::story;
use evenkeel_rules::event::Aggregate;
use evenkeel_rules::ids::SagaId;
use evenkeel_rules::saga::State;
use serde_json::json;

pub(super) async fn saga(
    store: &dyn Store,
    id: &SagaId,
    upto: Option<u64>,
) -> Result<Option<Story>, Fault> {
    let at = store.saga(id).await?;
    let Some(row) = at.rows else {
        return Ok(None);
    };
    let upto = upto.unwrap_or(u64::MAX);
    let mut pages = Pages::default();
    let own = (Aggregate::Saga, id.as_str());
    pages.add(store, own, row.last).await?;
    pages.cut(upto);
    let Some(last) = pages.rows.keys().next_back().copied() else {
        return Ok(None);
    };
    let is_past = last < row.last || upto < at.position;
    let then = match is_past {
        true => story::saga_at(store, story::entry_at(store, last).await?).await?,
        false => row,
    };
    let names = then.body.steps.iter().map(|step| step.name.to_string());
    let words = Words {
        steps: names.collect(),
        ..Words::default()
    };
    let mut told = Story {
        kind: "saga",
        id: id.to_string(),
        state: then.body.run.state.name().to_owned(),
        as_of: at.position.min(upto),
        steps: pages.steps(&words),
        next: Vec::new(),
        findings: findings(&then, last),
    };
    if !is_past {
        told.next.extend(next(&then));
        told.steps.extend(tries(&then, at.position));
    }
    Ok(Some(told))
}

fn findings(row: &SagaRow, position: u64) -> Vec<Finding> {
    let (run, steps) = (row.body.run, &row.body.steps);
    if run.state != State::Stuck {
        return Vec::new();
    }
    let name = &steps[usize::from(run.step)].name;
    let what = if run.back {
        format!("the undoing of step {name} was refused, or not known for too long")
    } else {
        format!("step {name} was refused, or not known for too long, with no way back")
    };
    vec![Finding {
        kind: "saga_stuck",
        what,
        position,
    }]
}

/// What is known of tries that left no event.
fn tries(row: &SagaRow, head: u64) -> Option<Step> {
    let turn = row.body.turn()?;
    let calls = row.tries.calls;
    (calls > 0).then(|| Step {
        position: head,
        at: row.tries.last,
        component: Component::Timer,
        what: format!(
            "{} was called {calls} times; next at its due time",
            row.body.key(turn)
        ),
        detail: json!({"calls": calls}),
        cause: None,
        by: "the saga's calls".to_owned(),
        follows: Some(row.last),
    })
}

fn next(row: &SagaRow) -> Option<Next> {
    let id = &row.body.id;
    if row.body.run.state == State::Stuck {
        return Some(Next {
            who: "a person".to_owned(),
            expected: format!(
                "`evenkeel saga retry {id} --reason WHY` to try on, or `evenkeel saga compensate \
                 {id} --reason WHY` to undo what was done"
            ),
            by: None,
            otherwise: "it waits: nothing more is called".to_owned(),
        });
    }
    let due = row.body.due(row.tries, 0)?;
    let step = &row.body.steps[usize::from(due.turn.step)];
    let (what, otherwise) = if due.turn.undo {
        ("the undoing of step", "a refusal makes the saga stuck")
    } else {
        (
            "step",
            "a refusal undoes what was done; behind the pivot it makes the saga stuck",
        )
    };
    Some(Next {
        who: format!("the service of step {}", step.name),
        expected: format!("{what} {} is answered", step.name),
        by: Some(row.body.limit()),
        otherwise: format!("it is called again under the same key; {otherwise}"),
    })
}
