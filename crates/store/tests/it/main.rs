//! The store against a real PostgreSQL, one file per subject.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "what the tests share fails like a test"
)]

mod common;
mod lanes;
mod leases;
mod poke;
