//! Destinations of each kind: files on real disks, with real processes beside them, and HTTP over real
//! sockets.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what the tests share fails like a test"
)]

mod delivery;
mod insightops;
mod places;
mod processes;
mod read_back;
mod secrets;
mod server;
mod settings;
mod sizes;
mod story;
mod support;
mod web;
mod webhook;
mod writer;
