//! Migrations: embedded, run under an advisory lock, checked at start.

use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::sql_types::{Bool, Text};
use diesel::{QueryableByName, sql_query};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::error::StoreError;
use crate::pool::Store;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations");

/// The lock that makes concurrent `migrate` runs take turns. Any number does; this one is ours.
const LOCK: i64 = 7_234_815_000;

/// What a run of the migrations did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Names of the migrations that were applied, in order.
    pub applied: Vec<String>,
}

#[derive(QueryableByName)]
struct Books {
    #[diesel(sql_type = Bool)]
    there: bool,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

impl Store {
    /// Applies what is missing and makes the day partitions of the coming week.
    ///
    /// Runs at the same time wait for each other. A crash leaves whole migrations applied.
    pub async fn migrate(&self) -> Result<Migrated, StoreError> {
        let applied = self.with_migrations(|harness| {
            harness
                .run_pending_migrations(MIGRATIONS)
                .map(|versions| versions.iter().map(ToString::to_string).collect())
        });
        let applied = applied.await?;
        self.make_partitions().await?;
        Ok(Migrated { applied })
    }

    /// Takes every migration back; for tests of the migrations themselves.
    pub async fn migrate_down(&self) -> Result<Migrated, StoreError> {
        let reverted = self.with_migrations(|harness| {
            harness
                .revert_all_migrations(MIGRATIONS)
                .map(|versions| versions.iter().map(ToString::to_string).collect())
        });
        Ok(Migrated {
            applied: reverted.await?,
        })
    }

    async fn with_migrations<F>(&self, work: F) -> Result<Vec<String>, StoreError>
    where
        F: FnOnce(
                &mut AsyncMigrationHarness<AsyncPgConnection>,
            ) -> diesel::migration::Result<Vec<String>>
            + Send
            + 'static,
    {
        let mut conn = self.own_conn().await?;
        sql_query("SET statement_timeout = 0")
            .execute(&mut conn)
            .await?;
        // The lock belongs to the session and goes with it.
        sql_query("SELECT pg_advisory_lock($1)")
            .bind::<diesel::sql_types::BigInt, _>(LOCK)
            .execute(&mut conn)
            .await?;
        // Diesel's harness is synchronous and blocks on the connection; away from the workers with it.
        tokio::task::spawn_blocking(move || {
            let mut harness = AsyncMigrationHarness::new(conn);
            work(&mut harness)
                .map_err(|error| StoreError::Corrupt(format!("migration failed: {error}")))
        })
        .await
        .map_err(|error| StoreError::Corrupt(format!("migration broke off: {error}")))?
    }

    /// Checks that the database has exactly the migrations of this program.
    ///
    /// # Errors
    /// [`StoreError::Schema`] names what was found and what is needed.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let needed = migrations();
        let mut conn = self.conn().await?;
        let books: Books =
            sql_query("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS there")
                .get_result(&mut conn)
                .await?;
        let found: Vec<Version> = if books.there {
            sql_query("SELECT version::text AS version FROM __diesel_schema_migrations ORDER BY 1")
                .load(&mut conn)
                .await?
        } else {
            Vec::new()
        };
        let found: Vec<String> = found.into_iter().map(|row| row.version).collect();
        if found == needed {
            return Ok(());
        }
        Err(StoreError::Schema {
            found: describe(&found, &needed),
            needed: needed.last().cloned().unwrap_or_default(),
        })
    }
}

/// The newest of the migrations found, and what is missing below it.
fn describe(found: &[String], needed: &[String]) -> String {
    let Some(newest) = found.last() else {
        return "empty".to_owned();
    };
    let missing: Vec<&str> = needed
        .iter()
        .filter(|version| *version < newest && !found.contains(version))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        newest.clone()
    } else {
        format!("{newest} without {}", missing.join(", "))
    }
}

/// Versions of the embedded migrations, oldest first.
fn migrations() -> Vec<String> {
    let migrations: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS.migrations().unwrap_or_default();
    let mut versions: Vec<String> = migrations
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect();
    versions.sort_unstable();
    versions
}
