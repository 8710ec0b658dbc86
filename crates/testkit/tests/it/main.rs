//! The test kit tested: on it rests what all other tests say.

#![expect(clippy::expect_used, reason = "what the tests share fails like a test")]

mod chaos;
mod data;
mod ledger;
mod postgres;
mod process;
mod time;
mod wait;
