//! Whether requests should come here: not when stopping, and only with a database that is reachable,
//! migrated, and whose secrets can be opened.

use std::time::Duration;

use store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long an answer is good for, so that many probes cost one query.
const FRESH: Duration = Duration::from_secs(1);
/// How long the database may take; probes are impatient.
const PATIENCE: Duration = Duration::from_secs(3);

/// The state of the things this process needs.
#[derive(Debug)]
pub(crate) struct Readiness {
    store: Store,
    last: Mutex<Option<(Instant, Result<(), String>)>>,
}

impl Readiness {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            last: Mutex::new(None),
        }
    }

    /// Whether all is well; if not, what is wrong, without details of the installation.
    pub(crate) async fn check(&self) -> Result<(), String> {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < FRESH
        {
            return answer.clone();
        }
        let answer = match timeout(PATIENCE, self.ask()).await {
            Ok(answer) => answer,
            Err(_) => Err("the database does not answer".to_owned()),
        };
        *last = Some((Instant::now(), answer.clone()));
        answer
    }

    async fn ask(&self) -> Result<(), String> {
        self.store
            .check_schema()
            .await
            .map_err(|error| told(&error))?;
        let missing = self
            .store
            .missing_sealing_keys()
            .await
            .map_err(|error| told(&error))?;
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!(
                "stored secrets need sealing keys that are not here: {}",
                missing.join(", ")
            ))
        }
    }
}

fn told(error: &StoreError) -> String {
    tracing::warn!(%error, "not ready");
    match error {
        StoreError::Schema { .. } => error.to_string(),
        _ => "the database is not available".to_owned(),
    }
}
