//! Whether the worker works: what its health check and metrics ask.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How a worker is; shared between it and whoever asks.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    leased: Option<Instant>,
    problem: Option<String>,
}

impl Health {
    /// The worker has asked the database for due jobs and leased those it has slots for, if any.
    pub(crate) fn leased(&self) {
        let mut state = self.lock();
        state.leased = Some(Instant::now());
        state.problem = None;
    }

    /// It could not.
    pub(crate) fn failed(&self, problem: &impl std::fmt::Display) {
        self.lock().problem = Some(problem.to_string());
    }

    /// Whether the worker has asked for due jobs, and could lease what it found, within `age`.
    ///
    /// # Errors
    /// Why not, for a person.
    pub fn check(&self, age: Duration) -> Result<(), String> {
        let state = self.lock();
        match (state.leased, &state.problem) {
            (Some(leased), _) if leased.elapsed() <= age => Ok(()),
            (_, Some(problem)) => Err(format!("the worker cannot lease jobs: {problem}")),
            (Some(_), None) => Err("the worker has not asked for due jobs for a while".to_owned()),
            (None, None) => Err("the worker has not begun to lease jobs".to_owned()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
