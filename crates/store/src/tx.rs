//! Transactions that start over when they meet another one.
//!
//! Rows are locked in this order, so that deadlocks are rare: credentials, sources, destinations;
//! then jobs, in ascending order; then logs, positions, routes, ledgers. What still meets is broken
//! up by PostgreSQL, and one side starts over.
//!
//! A transaction that is dropped half-way takes its connection with it, so that its locks go at once
//! and not when the pool happens to look at that connection again.

use diesel_async::{AnsiTransactionManager, AsyncPgConnection, TransactionManager};

use crate::error::StoreError;
use crate::pool::{Conn, Store};

/// How often a transaction is tried.
const TRIES: u32 = 5;

/// What is done in a transaction, said so that the compiler sees that it may move between threads.
pub(crate) trait Work<'c, T>: Fn(&'c mut AsyncPgConnection) -> Self::Fut {
    type Fut: Future<Output = Result<T, StoreError>> + Send;
}

impl<'c, T, F, Fut> Work<'c, T> for F
where
    F: Fn(&'c mut AsyncPgConnection) -> Fut,
    Fut: Future<Output = Result<T, StoreError>> + Send,
{
    type Fut = Fut;
}

impl Store {
    /// Runs `work` in a transaction: all of it or nothing. `work` runs again after a deadlock, so
    /// it may touch nothing but the database.
    pub(crate) async fn tx<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send,
        F: for<'c> AsyncFn(&'c mut AsyncPgConnection) -> Result<T, StoreError>
            + for<'c> Work<'c, T>
            + Send
            + Sync,
    {
        let mut held = Held(Some(self.conn().await?));
        let mut tries = 1;
        loop {
            match attempt(held.conn()?, &work).await {
                Err(StoreError::Retry(met)) if tries < TRIES => {
                    tracing::debug!(met, tries, "a transaction starts over");
                    tries += 1;
                }
                done => return done,
            }
        }
    }
}

/// A connection that is closed, not given back, if it is dropped in the middle of a transaction.
struct Held(Option<Conn>);

impl Held {
    fn conn(&mut self) -> Result<&mut AsyncPgConnection, StoreError> {
        let gone = || StoreError::Unavailable("the connection is gone".to_owned());
        self.0.as_deref_mut().ok_or_else(gone)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(mut conn) = self.0.take() else {
            return;
        };
        if AnsiTransactionManager::is_broken_transaction_manager(&mut *conn) {
            drop(Conn::take(conn));
        }
    }
}

async fn attempt<T, F>(conn: &mut AsyncPgConnection, work: &F) -> Result<T, StoreError>
where
    T: Send,
    F: for<'c> AsyncFn(&'c mut AsyncPgConnection) -> Result<T, StoreError>
        + for<'c> Work<'c, T>
        + Send
        + Sync,
{
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
