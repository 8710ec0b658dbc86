//! `migrate`: brings the database to the version of this program.

use anyhow::Context;
use store::StoreError;

use super::Settings;
use crate::cli::Migrate;
use crate::config::DATABASE;
use crate::{database, output, shutdown, telemetry};

pub(super) async fn run(settings: &Settings, options: &Migrate) -> anyhow::Result<()> {
    let config = settings.load(&[DATABASE])?;
    telemetry::start_logs(&config.telemetry)?;
    let stop = shutdown::on_signal()?;
    let store = database::open_unsealed(&config, "migrate")?;
    let answers = async || match store.check_schema().await {
        Err(StoreError::Schema { .. }) => Ok(()),
        answer => answer,
    };
    database::until_answered(options.wait, &stop, answers).await?;
    let migrated = store
        .migrate()
        .await
        .context("cannot migrate the database")?;
    if migrated.applied.is_empty() {
        return Ok(output::print("the database is up to date\n")?);
    }
    let lines: Vec<String> = migrated
        .applied
        .iter()
        .map(|name| format!("applied {name}\n"))
        .collect();
    Ok(output::print(&lines.concat())?)
}
