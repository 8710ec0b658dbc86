//! Transactions that start over when they meet another one.
//!
//! Rows are locked in this order, so that deadlocks are rare: credentials, sources, destinations;
//! then jobs, in ascending order; then logs, positions, routes, ledgers. What still meets is broken
//! up by PostgreSQL, and one side starts over.

use diesel_async::{AnsiTransactionManager, AsyncPgConnection, TransactionManager};

use crate::error::StoreError;
use crate::pool::Store;

/// How often a transaction is tried.
const TRIES: u32 = 5;

impl Store {
    /// Runs `work` in a transaction: all of it or nothing. `work` runs again after a deadlock, so
    /// it may touch nothing but the database.
    pub(crate) async fn tx<T>(
        &self,
        work: impl AsyncFn(&mut AsyncPgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut conn = self.conn().await?;
        let mut tries = 1;
        loop {
            match attempt(&mut conn, &work).await {
                Err(StoreError::Retry(met)) if tries < TRIES => {
                    tracing::debug!(met, tries, "a transaction starts over");
                    tries += 1;
                }
                done => return done,
            }
        }
    }
}

async fn attempt<T>(
    conn: &mut AsyncPgConnection,
    work: &impl AsyncFn(&mut AsyncPgConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    AnsiTransactionManager::begin_transaction(conn).await?;
    match work(conn).await {
        Ok(value) => {
            AnsiTransactionManager::commit_transaction(conn).await?;
            Ok(value)
        }
        Err(error) => {
            // Should the rollback fail, the pool throws the connection away; the first error says more.
            drop(AnsiTransactionManager::rollback_transaction(conn).await);
            Err(error)
        }
    }
}
