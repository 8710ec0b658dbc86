//! `janitor`: partitions ahead, retention behind. One for the installation, hourly.

use std::time::Duration;

use model::job::Outcome;
use store::StoreError;

use crate::context::{Context, Ran};

const EVERY: Duration = Duration::from_hours(1);

pub(crate) async fn run(context: &Context) -> Result<Ran, StoreError> {
    let store = &context.worker.store;
    store.make_partitions().await?;
    let dropped = store
        .apply_retention(&context.worker.config.retention)
        .await?;
    tracing::info!(
        days = dropped.days,
        kept = dropped.kept,
        released = dropped.released,
        given_up = dropped.given_up,
        id_days = dropped.id_days,
        "the janitor has been"
    );
    Ok(Outcome::Done { next: EVERY }.into())
}
