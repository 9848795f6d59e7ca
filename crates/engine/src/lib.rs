//! What happens durably: the ports, the one command path, the judge, the loops and the adapters.

/// The places where a log can be kept.
pub mod store {
    /// The log in one SQLite file.
    pub mod sqlite {
        pub mod names;
    }
}
