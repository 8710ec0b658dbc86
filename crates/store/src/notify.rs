//! Wake-ups between processes: a hint that something is due, never needed for correctness.

use diesel::sql_query;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::StreamExt;

use crate::error::StoreError;
use crate::pool::Store;

/// A connection that listens for hints.
#[expect(
    missing_debug_implementations,
    reason = "a connection has nothing to show"
)]
pub struct Listener {
    conn: AsyncPgConnection,
}

impl Store {
    /// Tells every worker to look for due jobs. Outside business transactions: NOTIFY inside one
    /// makes all commits of the cluster take turns.
    pub async fn notify_jobs(&self) -> Result<(), StoreError> {
        let mut conn = self.conn().await?;
        sql_query("NOTIFY collector_jobs")
            .execute(&mut conn)
            .await?;
        Ok(())
    }

    /// Listens on a connection of its own.
    pub async fn listen_jobs(&self) -> Result<Listener, StoreError> {
        let mut conn = self.own_conn().await?;
        sql_query("LISTEN collector_jobs")
            .execute(&mut conn)
            .await?;
        Ok(Listener { conn })
    }
}

impl Listener {
    /// Waits for the next hint.
    ///
    /// # Errors
    /// The connection is gone; listen again, and look for due jobs once in between.
    pub async fn next(&mut self) -> Result<(), StoreError> {
        let gone = || StoreError::Unavailable("the listening connection is gone".to_owned());
        let stream = self.conn.notifications_stream();
        let mut stream = std::pin::pin!(stream);
        stream
            .next()
            .await
            .ok_or_else(gone)?
            .map(|_| ())
            .map_err(|_| gone())
    }
}
