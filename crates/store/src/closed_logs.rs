//! What ended backfills leave behind: a log that nobody appends to, positions at its end, a parked job.
//! The rows of backfill and log stay as its history; the rest goes.

use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::error::StoreError;
use crate::sql::sql_query;

/// Takes away positions that have come to the end of a closed log (a run of refused events ends there
/// too), so that they neither pin batches nor are looked at, and the jobs of ended backfills.
pub(crate) async fn sweep(conn: &mut AsyncPgConnection) -> Result<(), StoreError> {
    sql_query(
        "DELETE FROM route_positions p USING backfills f, logs l \
         WHERE f.tenant_id = p.tenant_id AND f.log_id = p.log_id AND f.state NOT IN ('pending', 'running') \
           AND l.tenant_id = p.tenant_id AND l.id = p.log_id AND p.number >= l.next_number",
    )
    .execute(conn)
    .await?;
    // A job that still runs is let end.
    sql_query(
        "DELETE FROM jobs j USING backfills f, job_schedule s \
         WHERE j.kind = 5 AND f.tenant_id = j.tenant_id AND f.id = j.subject_id AND f.state NOT IN ('pending', 'running') \
           AND s.job_id = j.id AND s.owner IS NULL",
    )
    .execute(conn)
    .await?;
    Ok(())
}
