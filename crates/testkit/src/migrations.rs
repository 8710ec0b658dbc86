//! The migrations of the workspace, applied without the crate that owns them.
//!
//! The test kit may not depend on `store`, whose own tests use it. So it applies the files itself
//! and keeps the same books as diesel, which then finds nothing left to do.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use tokio_postgres::Client;

/// One migration: its version as diesel writes it, and the SQL that applies it.
#[derive(Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Migration {
    version: String,
    up: String,
}

/// Reads `<folder>/<version>_<name>/up.sql`, in the order in which they are applied.
pub(crate) fn read(folder: &Path) -> Vec<Migration> {
    let entries = std::fs::read_dir(folder).expect("the folder of migrations can be read");
    let mut migrations: Vec<_> = entries
        .map(|entry| entry.expect("the folder of migrations can be read"))
        .filter_map(|entry| {
            let up = std::fs::read_to_string(entry.path().join("up.sql")).ok()?;
            let version = version(entry.file_name().to_str()?);
            Some(Migration { version, up })
        })
        .collect();
    migrations.sort_unstable();
    migrations
}

/// Reads the migrations of this workspace.
pub(crate) fn of_workspace() -> Vec<Migration> {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations"))
}

/// Returns 16 hexadecimal digits that change with the migrations.
pub(crate) fn fingerprint(migrations: &[Migration]) -> String {
    let mut hasher = DefaultHasher::new();
    migrations.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Applies migrations to an empty database and records them.
pub(crate) async fn apply(migrations: &[Migration], client: &Client) {
    let books = "CREATE TABLE __diesel_schema_migrations (
        version varchar(50) PRIMARY KEY NOT NULL,
        run_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
    )";
    client
        .batch_execute(books)
        .await
        .expect("an empty database takes a table");
    let record = "INSERT INTO __diesel_schema_migrations (version) VALUES ($1)";
    for Migration { version, up } in migrations {
        if let Err(error) = client.batch_execute(up).await {
            panic!("migration {version} failed: {}", describe(&error));
        }
        client
            .execute(record, &[version])
            .await
            .expect("a migration is recorded once");
    }
}

/// Diesel's version: the name up to the first underscore, without dashes.
fn version(folder_name: &str) -> String {
    folder_name
        .split('_')
        .next()
        .unwrap_or_default()
        .replace('-', "")
}

fn describe(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else {
        return error.to_string();
    };
    format!(
        "{} ({:?}, at {:?})",
        said.message(),
        said.code(),
        said.position()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_read_in_order_and_named_as_diesel_names_them() {
        let folder = tempfile::tempdir().unwrap();
        for (name, up) in [
            ("2026-02-01-000000_second_step", "B"),
            ("2026-01-31-120000_a", "A"),
        ] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join("up.sql"), up).unwrap();
        }
        std::fs::write(folder.path().join("README.md"), "").unwrap();

        let read = read(folder.path());

        let seen: Vec<_> = read
            .iter()
            .map(|it| (it.version.as_str(), it.up.as_str()))
            .collect();
        assert_eq!(seen, [("20260131120000", "A"), ("20260201000000", "B")]);
    }

    #[test]
    fn the_fingerprint_changes_with_the_text() {
        let one = |up: &str| {
            [Migration {
                version: "1".into(),
                up: up.into(),
            }]
        };
        assert_eq!(fingerprint(&one("a")), fingerprint(&one("a")));
        assert_ne!(fingerprint(&one("a")), fingerprint(&one("b")));
        assert_eq!(fingerprint(&[]).len(), 16);
    }
}
