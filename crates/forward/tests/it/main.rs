//! File destinations on real disks, with real processes beside them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what the tests share fails like a test"
)]

mod delivery;
mod places;
mod processes;
mod support;
mod writer;
