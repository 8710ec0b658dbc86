//! Test support: a database per test, chaos, processes, time.
//!
//! Everything here panics when it fails, with a message that says what was expected and what was
//! seen: to a test that is a failure like any other. Tests use real servers, sockets and processes,
//! wait for a level with [`wait::until`] and never sleep; time is moved with [`time::Time`].

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "the test kit fails as tests do; see above"
)]

pub mod chaos;
pub mod container;
pub mod data;
pub mod fleet;
pub mod hostile;
pub mod insightops;
pub mod kill;
pub mod ledger;
mod migrations;
pub mod postgres;
pub mod process;
pub mod time;
pub mod wait;
pub mod webhook;
pub mod windows;
