//! `check-config`: what the settings are, and whether a service could start with them.

use super::Settings;
use crate::config::{DATABASE, SEALING, show};
use crate::{database, output};

pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let needs = [DATABASE, SEALING];
    output::print(&show(&settings.environment, settings.wanted(&needs, &[])))?;
    let config = settings.load(&needs)?;
    database::open(&config, "check-config")?;
    super::okta_client(&config)?;
    eprintln!("the settings are all right; the database has not been asked");
    Ok(())
}
