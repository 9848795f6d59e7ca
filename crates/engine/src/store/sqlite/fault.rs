//! What SQLite's errors mean to the engine. Translated here and nowhere else.

use crate::port::Fault;
use rusqlite::{Error, ErrorCode, ffi};

/// A fault for an error of a statement that is not COMMIT: nothing was made durable by it.
pub(super) fn fault(error: Error) -> Fault {
    let Error::SqliteFailure(code, _) = &error else {
        // A value of another type than the schema promises, or no row where there must be one.
        return Fault::Corrupt(error.to_string());
    };
    match code.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Fault::Conflict,
        ErrorCode::DiskFull => Fault::DiskFull,
        ErrorCode::DatabaseCorrupt
        | ErrorCode::NotADatabase
        | ErrorCode::ConstraintViolation
        | ErrorCode::TypeMismatch
        | ErrorCode::TooBig => Fault::Corrupt(error.to_string()),
        _ if is_sync(code.extended_code) => Fault::Sync(error.to_string()),
        _ => Fault::Unavailable(error.to_string()),
    }
}

/// A fault for an error of COMMIT.
///
/// The batch's frames are written and synced before SQLite notes them in shared memory. If that is
/// what fails, the frames stand in the log, and a start would take them for committed: nobody can
/// say a definite no any more.
pub(super) fn of_commit(error: Error) -> Fault {
    match &error {
        Error::SqliteFailure(code, _) if is_behind(code.extended_code) => {
            Fault::Sync(error.to_string())
        }
        _ => fault(error),
    }
}

/// Whether an error of COMMIT may come from behind its last frame.
const fn is_behind(extended: i32) -> bool {
    matches!(
        extended,
        ffi::SQLITE_IOERR_SHMOPEN
            | ffi::SQLITE_IOERR_SHMSIZE
            | ffi::SQLITE_IOERR_SHMLOCK
            | ffi::SQLITE_IOERR_SHMMAP
            | ffi::SQLITE_IOERR_NOMEM
            | ffi::SQLITE_NOMEM
    )
}

/// Whether the disk did not confirm a write: what is on it is not known any more.
const fn is_sync(extended: i32) -> bool {
    matches!(
        extended,
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(extended: i32, translate: fn(Error) -> Fault) -> Fault {
        translate(Error::SqliteFailure(ffi::Error::new(extended), None))
    }

    #[test]
    fn an_error_behind_the_frames_of_a_commit_is_no_definite_no() {
        let room = told(ffi::SQLITE_IOERR_SHMSIZE, of_commit);
        assert!(matches!(room, Fault::Sync(_)), "{room:?}");
        let sync = told(ffi::SQLITE_IOERR_FSYNC, of_commit);
        assert!(matches!(sync, Fault::Sync(_)), "{sync:?}");
        // Before its last frame it is one: what is half written is never read.
        let write = told(ffi::SQLITE_IOERR_WRITE, of_commit);
        assert!(matches!(write, Fault::Unavailable(_)), "{write:?}");
        assert_eq!(told(ffi::SQLITE_FULL, of_commit), Fault::DiskFull);
        let before = told(ffi::SQLITE_IOERR_SHMSIZE, fault);
        assert!(matches!(before, Fault::Unavailable(_)), "{before:?}");
    }
}
