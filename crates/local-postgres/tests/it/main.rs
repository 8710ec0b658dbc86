//! Runs real PostgreSQL servers from the programs of this machine.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what the tests share fails like a test"
)]

mod cluster;
mod owner;
mod shared;
mod support;
