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

/// Whether the disk did not confirm a write: what is on it is not known any more.
const fn is_sync(extended: i32) -> bool {
    matches!(
        extended,
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC
    )
}
