//! The receiver over real sockets, as a sender sees it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what the tests share fails like a test"
)]

mod faults;
mod insightops;
mod ledger;
mod query;
mod support;
mod webhook;
