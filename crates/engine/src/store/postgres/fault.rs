//! What PostgreSQL's errors mean to the engine. Translated here and nowhere else.

use crate::port::Fault;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

/// A fault for an error of anything but COMMIT: nothing was made durable by it.
pub(super) fn fault(error: &Error) -> Fault {
    match error.as_db_error() {
        Some(said) => of_server(said),
        None if is_wire(error) => Fault::Unavailable(chain(error)),
        // A value that cannot be sent or read: nothing that waiting would mend.
        None => Fault::Corrupt(chain(error)),
    }
}

/// A fault for an error of COMMIT. Only what says that the transaction was rolled back is a
/// definite no: everything else may have come from behind the commit record.
pub(super) fn of_commit(error: &Error) -> Fault {
    let Some(said) = error.as_db_error() else {
        return Fault::TimedOut;
    };
    match of_server(said) {
        fault @ (Fault::Conflict | Fault::Corrupt(_)) if is_rolled_back(said) => fault,
        Fault::Conflict
        | Fault::Corrupt(_)
        | Fault::Unavailable(_)
        | Fault::DiskFull
        | Fault::Fenced
        | Fault::DeadlinePassed
        | Fault::TimedOut
        | Fault::Sync(_) => Fault::TimedOut,
    }
}

/// Whether a session that was told this can be used no more.
pub(super) fn ends_session(error: &Error) -> bool {
    let Some(said) = error.as_db_error() else {
        return is_wire(error);
    };
    matches!(said.severity(), "FATAL" | "PANIC")
}

/// Whether the connection is gone, or never was.
fn is_wire(error: &Error) -> bool {
    let cause = std::error::Error::source(error);
    error.is_closed() || cause.is_none_or(|cause| cause.is::<std::io::Error>())
}

/// Whether the error says that a statement before COMMIT failed, or that serialization did.
fn is_rolled_back(said: &DbError) -> bool {
    let class = &said.code().code()[..2];
    matches!(class, "40" | "23" | "25")
}

fn of_server(said: &DbError) -> Fault {
    let code = said.code();
    if is_in_the_way(code) {
        return Fault::Conflict;
    }
    if *code == SqlState::DISK_FULL {
        return Fault::DiskFull;
    }
    let what = format!("{} ({})", said.message(), code.code());
    // Data that does not fit, a constraint, a guard, a missing table or column, a damaged page.
    match &code.code()[..2] {
        "21" | "22" | "23" | "42" | "XX" if *code != SqlState::INSUFFICIENT_PRIVILEGE => {
            Fault::Corrupt(what)
        }
        "54" => Fault::Corrupt(what),
        _ => Fault::Unavailable(what),
    }
}

/// Errors after which the very same transaction may be run again at once.
fn is_in_the_way(code: &SqlState) -> bool {
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ]
    .contains(code)
}

/// An error with its causes: the first alone says "error connecting to server".
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        let said = one.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = one.source();
    }
    text
}
