//! Worker processes: who is alive.

use std::time::Duration;

use diesel::sql_types::{BigInt, Double, Text};
use diesel_async::RunQueryDsl;

use crate::error::StoreError;
use crate::pool::Store;
use crate::sql::sql_query;

impl Store {
    /// Says that a worker process lives.
    pub async fn worker_alive(&self, id: i64, host: &str) -> Result<(), StoreError> {
        let mut conn = self.conn().await?;
        sql_query(
            "INSERT INTO workers (id, host) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET seen_at = collector_now()",
        )
        .bind::<BigInt, _>(id)
        .bind::<Text, _>(host)
        .execute(&mut conn)
        .await?;
        Ok(())
    }

    /// Says that a worker process has ended in order.
    pub async fn worker_gone(&self, id: i64) -> Result<(), StoreError> {
        let mut conn = self.conn().await?;
        sql_query("DELETE FROM workers WHERE id = $1")
            .bind::<BigInt, _>(id)
            .execute(&mut conn)
            .await?;
        Ok(())
    }

    /// Makes the leases of silent workers due at once, instead of waiting for them to expire.
    pub async fn release_dead_workers(&self, silent: Duration) -> Result<usize, StoreError> {
        let mut conn = self.conn().await?;
        Ok(sql_query(
            "WITH dead AS (DELETE FROM workers WHERE seen_at < collector_now() - make_interval(secs => $1) RETURNING id), \
             k AS MATERIALIZED (SELECT s.job_id FROM job_schedule s JOIN dead ON s.owner = dead.id WHERE s.run_at > collector_now() \
                 ORDER BY s.job_id FOR NO KEY UPDATE OF s SKIP LOCKED) \
             UPDATE job_schedule s SET run_at = collector_now() FROM k WHERE s.job_id = k.job_id AND s.run_at < 'infinity'",
        )
        .bind::<Double, _>(silent.as_secs_f64())
        .execute(&mut conn)
        .await?)
    }
}
