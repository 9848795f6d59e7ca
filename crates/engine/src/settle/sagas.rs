//! Judging commands on sagas over anybody's services.

use super::orders::{HANDOFF, put_row, to_arm};
use super::{Draft, Judge, Stop};
use crate::commit::{Command, Commit, Effect, Outcome, saga_name};
use crate::port::{NameWrite, Row, SagaRow, Touch};
use evenkeel_rules::event::Kind;
use evenkeel_rules::ids::SagaId;
use evenkeel_rules::order::Tries;
use evenkeel_rules::saga::journey::{self, Ask, Asked, Decision, Journey, Report};
use evenkeel_rules::time::LogTime;

impl Judge<'_> {
    fn saga(&self, id: &SagaId) -> Result<Option<&SagaRow>, Stop> {
        let touch = || Touch {
            sagas: vec![id.clone()],
            ..Touch::default()
        };
        let row = self.view.sagas.get(id).map(Option::as_ref);
        row.ok_or_else(|| Stop::Widen(Box::new(touch())))
    }

    pub(super) fn start_saga(
        &mut self,
        commit: &Commit,
        ask: &Ask,
        bodies: &str,
    ) -> Result<Outcome, Stop> {
        let taken = self.saga(&ask.id)?.is_some();
        let body = journey::start(ask, taken, self.now)?;
        let draft = Draft {
            kind: Kind::SagaStarted,
            id: body.id.to_string(),
            version: 1,
            previous: 0,
            data: serde_json::to_vec(&body).expect("a saga is plain JSON"),
        };
        let position = self.accept(commit, &[draft], &[])?;
        let (name, fingerprint) = (saga_name(&ask.id), [0; 16]);
        self.writes.names.push(NameWrite {
            name,
            position,
            fingerprint,
        });
        self.keep_private(position, None, bodies);
        let row = Row {
            created: position,
            last: position,
            version: 1,
            due: first_look(&body, self.now),
            flagged: body.is_flagged(),
            body,
            tries: Tries::default(),
        };
        self.put_saga(row.clone(), None);
        Ok(accepted(row))
    }

    /// A person's word on a saga.
    pub(super) fn change_saga(
        &mut self,
        commit: &Commit,
        id: &SagaId,
        reason: Option<&str>,
    ) -> Result<Outcome, Stop> {
        let row = self.saga(id)?.cloned();
        let asked = Asked {
            journey: row.as_ref().map(|row| &row.body),
            version: row.as_ref().map_or(0, |row| row.version),
            expected: commit.expected,
        };
        let decision = match &commit.command {
            Command::RetrySaga { .. } => journey::retry(asked, self.now)?,
            Command::CompensateSaga { .. } => journey::compensate(asked, self.now)?,
            other => unreachable!("{} is no word on a saga", other.name()),
        };
        let row = row.expect("a rule accepts only a saga that exists");
        let row = self.saga_decided(commit, row, decision)?;
        if let Some(reason) = reason {
            self.keep_private(row.last, None, reason);
        }
        Ok(accepted(row))
    }

    pub(super) fn report_step(&mut self, commit: &Commit, id: &SagaId) -> Result<Outcome, Stop> {
        let Command::ReportStep {
            turn,
            told,
            seen,
            random,
            ..
        } = &commit.command
        else {
            unreachable!("only a step's report comes here");
        };
        let Some(row) = self.saga(id)?.cloned() else {
            return Err(Stop::Corrupt(format!("saga {id} is gone")));
        };
        self.fence(commit, row.created)?;
        match row.body.report(row.tries, (*turn, *told), self.now) {
            Report::Changed(decision) => {
                let row = self.saga_decided(commit, row, *decision)?;
                Ok(accepted(row))
            }
            // A call that an earlier version needed counts for no try.
            Report::Tried(tries) if *seen == row.version => {
                let due = row.body.due(tries, *random).map(|due| due.at);
                let was = Some(row.version);
                self.put_saga(Row { tries, due, ..row }, was);
                Ok(self.nothing_told())
            }
            Report::Tried(_) | Report::Stale => Ok(self.nothing_told()),
        }
    }

    fn saga_decided(
        &mut self,
        commit: &Commit,
        row: SagaRow,
        decision: Decision,
    ) -> Result<SagaRow, Stop> {
        let was = Some(row.version);
        let Decision {
            journey,
            kind,
            patch,
        } = decision;
        let version = row.version + 1;
        let draft = Draft {
            kind,
            id: journey.id.to_string(),
            version,
            previous: row.last,
            data: serde_json::to_vec(&patch).expect("a patch is plain JSON"),
        };
        let last = self.accept(commit, &[draft], &[])?;
        let row = Row {
            last,
            version,
            due: first_look(&journey, self.now),
            flagged: journey.is_flagged(),
            body: journey,
            tries: Tries::default(),
            ..row
        };
        self.put_saga(row.clone(), was);
        Ok(row)
    }

    /// Puts a saga's new row into the view and among the writes, once per saga and batch.
    fn put_saga(&mut self, row: SagaRow, was: Option<u64>) {
        let id = row.body.id.clone();
        let stood = self.view.sagas.insert(id, Some(row.clone())).flatten();
        let armed = stood.and_then(|row| row.due);
        self.writes.dues.extend(to_arm(&row, armed));
        put_row(&mut self.writes.sagas, &mut self.dirty_sagas, (row, was));
    }
}

/// When a saga that an event left like this is looked at, unless whoever committed it has made its
/// next call by then.
pub(crate) fn first_look(journey: &Journey, at: LogTime) -> Option<LogTime> {
    let due = journey.first_due()?;
    Some(due.at.max(at.plus(HANDOFF)))
}

fn accepted(row: SagaRow) -> Outcome {
    Outcome::Accepted {
        position: row.last,
        effect: Effect::Saga(Box::new(row)),
    }
}
