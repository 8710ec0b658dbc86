//! The store against a real PostgreSQL, one file per subject.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what the tests share fails like a test"
)]

mod budgets;
mod common;
mod credentials;
mod dead_letters;
mod dedupe;
mod deletion;
mod destinations;
mod gauges;
mod house_rules;
mod lanes;
mod lease_model;
mod lease_stress;
mod leases;
mod migrations;
mod page;
mod plans;
mod poke;
mod pool;
mod positions;
mod races;
mod retention;
mod rotations;
mod schema;
mod secrets;
mod settings;
mod status;
mod stress;
mod tenants;
mod traces;
