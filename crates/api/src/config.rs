//! Settings of the HTTP server.

use std::time::Duration;

/// How the server runs.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Threads that serve requests. One is enough for some thousand requests a second.
    pub threads: usize,
    /// Most connections at a time; more wait in the listen queue.
    pub connections: usize,
    /// How long `/readyz` already says no while requests are still taken, at a stop: the time a load
    /// balancer needs to notice.
    pub notice: Duration,
    /// How long requests that are under way may go on after that; rounded up to whole seconds.
    pub drain: Duration,
}

impl Default for ApiConfig {
    /// Two threads, 1024 connections, no notice, 10 s to drain.
    fn default() -> Self {
        Self {
            threads: 2,
            connections: 1024,
            notice: Duration::ZERO,
            drain: Duration::from_secs(10),
        }
    }
}
