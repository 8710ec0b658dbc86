//! Finds PostgreSQL programs, runs a private cluster and stops it.
//!
//! [`Cluster`] is a server with a temporary data directory, for the demo, benchmarks and tests;
//! [`SharedCluster`] is one that many test processes use together; [`Server`] falls back to Docker
//! where there are no programs. All of them work as root and as an ordinary user, and all go away
//! with the last process that uses them, even when it is killed: see `guard.rs`.

mod account;
mod cluster;
mod docker;
mod error;
mod folder;
mod guard;
mod options;
mod programs;
mod random;
mod ready;
mod server;
mod shared;

pub use cluster::Cluster;
pub use docker::DockerPostgres;
pub use error::Error;
pub use folder::sweep_leftovers;
pub use options::Options;
pub use programs::{OLDEST_MAJOR, Programs, Version};
pub use server::Server;
pub use shared::SharedCluster;
