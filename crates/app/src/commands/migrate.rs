//! `migrate`: brings the database to the version of this program, and registers the first API key of the settings.

use anyhow::Context;
use store::StoreError;

use super::{Settings, keys};
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
    let mut lines: Vec<String> = migrated
        .applied
        .iter()
        .map(|name| format!("applied {name}\n"))
        .collect();
    if lines.is_empty() {
        lines.push("the database is up to date\n".to_owned());
    }
    if let Some(key) = &config.api.first_key
        && let Some(public_id) = keys::register_first(&store, key).await?
    {
        lines.push(format!("registered the API key okc_{public_id}\n"));
    }
    Ok(output::print(&lines.concat())?)
}
