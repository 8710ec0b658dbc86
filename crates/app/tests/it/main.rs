//! The program from outside: its command line, its services, its demo, and the layering of the house.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what the tests share fails like a test"
)]

mod cli;
mod demo;
mod layering;
mod otlp;
mod program;
mod receive;
mod secrets;
mod service;
mod shipped;
mod sim;
mod telemetry;
