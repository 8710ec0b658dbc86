//! `keys`: API keys, made and revoked by whoever can reach the database.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;
use api::keys::ApiKey;
use model::ids::TenantId;
use secrecy::{ExposeSecret, SecretString};
use store::{NewApiKey, Store};

use super::Settings;
use crate::cli::{CreateKey, Keys, Role};
use crate::config::DATABASE;
use crate::{database, output, telemetry};

impl Role {
    /// The word that is stored.
    fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

pub(super) async fn run(settings: &Settings, command: Keys) -> anyhow::Result<()> {
    let config = settings.load(&[DATABASE])?;
    telemetry::start_logs(&config.telemetry)?;
    let store = database::open_unsealed(&config, "keys")?;
    store.check_schema().await?;
    match command {
        Keys::Create(options) => create(&store, &options).await,
        Keys::List { tenant } => list(&store, &tenant).await,
        Keys::Revoke { tenant, public_id } => {
            let public_id = public_id.strip_prefix("okc_").unwrap_or(&public_id);
            let tenant = existing(&store, &tenant).await?;
            store.revoke_api_key(tenant, public_id).await?;
            Ok(output::print(&format!("revoked okc_{public_id}\n"))?)
        }
    }
}

/// Makes a key of a tenant; the tenant too, if there is none of the name.
pub(crate) async fn make(
    store: &Store,
    tenant: &str,
    role: Role,
    name: &str,
) -> anyhow::Result<(TenantId, SecretString)> {
    let key = ApiKey::generate()?;
    let tenant = store.ensure_tenant(tenant).await?;
    store.create_api_key(row(tenant, &key, role, name)).await?;
    Ok((tenant, key.whole().clone()))
}

/// Registers a key that was made elsewhere as an admin of the tenant `default`, once: one that has been
/// revoked stays so. Returns its public part if it was new.
pub(super) async fn register_first(
    store: &Store,
    key: &SecretString,
) -> anyhow::Result<Option<String>> {
    let key = ApiKey::parse(key.expose_secret())?;
    let tenant = store.ensure_tenant("default").await?;
    let new = store
        .ensure_api_key(row(tenant, &key, Role::Admin, "first"))
        .await?;
    Ok(new.then(|| key.public_id().to_owned()))
}

fn row(tenant: TenantId, key: &ApiKey, role: Role, name: &str) -> NewApiKey {
    NewApiKey {
        tenant_id: tenant.0,
        public_id: key.public_id().to_owned(),
        secret_sha256: key.sha256(),
        name: name.to_owned(),
        role: role.as_str().to_owned(),
        expires_at: None,
    }
}

async fn create(store: &Store, options: &CreateKey) -> anyhow::Result<()> {
    // The file first: a key that cannot be written down must not exist.
    let file = options.out.as_deref().map(new_private_file).transpose()?;
    let (_, key) = make(store, &options.tenant, options.role, &options.name).await?;
    let line = format!("{}\n", key.expose_secret());
    match file {
        None => Ok(output::print(&line)?),
        Some(mut file) => Ok(file
            .write_all(line.as_bytes())
            .and_then(|()| file.sync_all())?),
    }
}

fn new_private_file(path: &Path) -> anyhow::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    file.with_context(|| format!("cannot make the file {}", path.display()))
}

async fn list(store: &Store, tenant: &str) -> anyhow::Result<()> {
    let keys = store.list_api_keys(existing(store, tenant).await?).await?;
    let mut lines =
        vec!["PUBLIC_ID         ROLE      STATE    CREATED               NAME\n".to_owned()];
    for key in keys {
        let state = if key.revoked_at.is_some() {
            "revoked"
        } else {
            "live"
        };
        let created = key.created_at.format("%Y-%m-%dT%H:%M:%SZ");
        lines.push(format!(
            "okc_{:<13} {:<9} {state:<8} {created}  {}\n",
            key.public_id, key.role, key.name
        ));
    }
    Ok(output::print(&lines.concat())?)
}

async fn existing(store: &Store, name: &str) -> anyhow::Result<TenantId> {
    let tenant = store.tenant_named(name).await?;
    tenant.with_context(|| format!("there is no tenant {name:?}"))
}
