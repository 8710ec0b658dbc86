//! Sources: what is polled. A source is made together with its live log, its poll job and its routes.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use model::ids::{CredentialId, DestinationId, SourceId, TenantId};
use model::job::JobKind;
use model::range::Verify;
use model::source::{RefreshFrequency, Start, Timezone};
use uuid::Uuid;

use crate::credentials::{self, NewCredential};
use crate::error::{Conflict, Resource, StoreError};
use crate::jobs::{self, Paused};
use crate::pool::Store;
use crate::routes;
use crate::schema::{backfills as backfill_rows, routes as route_rows, sources};
use crate::sql::sql_query;
use crate::verifications;

/// Which credential a new source uses.
#[derive(Debug, Clone)]
pub enum CredentialChoice {
    /// One that is stored.
    Stored(CredentialId),
    /// One made in the same transaction.
    New(NewCredential),
}

/// A source to be stored.
#[derive(Debug, Clone)]
pub struct NewSource {
    /// Shown; the host of the credential's origin if not given.
    pub display_name: Option<String>,
    /// What reads it.
    pub credential: CredentialChoice,
    /// For display.
    pub timezone: Timezone,
    /// How often.
    pub refresh: RefreshFrequency,
    /// Where reading begins; 24 hours before now if not given.
    pub start: Option<Start>,
    /// Okta's `filter`.
    pub filter: Option<String>,
    /// Okta's `q`.
    pub keywords: Option<String>,
    /// How often it is compared with Okta.
    pub verify: Verify,
    /// A route to each.
    pub destinations: Vec<DestinationId>,
    /// Trace context of the request.
    pub trace_context: Option<String>,
}

/// What may be changed; the outer `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "as in NewSource")]
pub struct SourceChange {
    pub display_name: Option<String>,
    pub credential: Option<CredentialId>,
    pub timezone: Option<Timezone>,
    pub refresh: Option<RefreshFrequency>,
    pub filter: Option<Option<String>>,
    pub keywords: Option<Option<String>>,
    pub verify: Option<Verify>,
}

/// A stored source.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = sources)]
#[expect(missing_docs, reason = "the columns of the table")]
pub struct Source {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub display_name: String,
    pub credential_id: Uuid,
    pub timezone: String,
    pub refresh_seconds: i32,
    pub start_at: Option<DateTime<Utc>>,
    pub filter: Option<String>,
    pub keywords: Option<String>,
    pub enabled: bool,
    pub org_id: Option<String>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub verify: String,
    pub query_changed_at: Option<DateTime<Utc>>,
}

pub(crate) async fn get(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: SourceId,
) -> Result<Source, StoreError> {
    sources::table
        .find((tenant.0, id.0))
        .select(Source::as_select())
        .first(conn)
        .await
        .optional()?
        .ok_or(StoreError::NotFound(Resource::Source))
}

/// Kept from being deleted until the end of the transaction.
pub(crate) async fn hold(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: SourceId,
) -> Result<(), StoreError> {
    let held: Option<Uuid> = sources::table
        .find((tenant.0, id.0))
        .select(sources::id)
        .for_share()
        .first(conn)
        .await
        .optional()?;
    held.map(drop).ok_or(StoreError::NotFound(Resource::Source))
}

async fn lock(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: SourceId,
) -> Result<Source, StoreError> {
    sources::table
        .find((tenant.0, id.0))
        .select(Source::as_select())
        .for_no_key_update()
        .first(conn)
        .await
        .optional()?
        .ok_or(StoreError::NotFound(Resource::Source))
}

#[derive(QueryableByName)]
struct FreshId {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

impl Store {
    /// Stores a source with its log, its poll job (due at once) and its routes, in one transaction.
    pub async fn create_source(
        &self,
        tenant: TenantId,
        new: NewSource,
    ) -> Result<Source, StoreError> {
        self.tx(async |conn| {
            let credential = match &new.credential {
                CredentialChoice::Stored(id) => credentials::hold(conn, tenant, *id).await?,
                CredentialChoice::New(new) => credentials::insert(conn, &self.keys, tenant, new).await?,
            };
            let host = credential.origin.split_once("://").map_or(credential.origin.as_str(), |(_, host)| host);
            let name = new.display_name.as_deref().unwrap_or(host);
            let (word, at) = match new.start {
                Some(Start::Earliest) => ("earliest", None),
                Some(Start::Now) => ("now", None),
                Some(Start::At(at)) => ("at", Some(at)),
                None => ("yesterday", None),
            };
            let FreshId { id } = sql_query(
                "INSERT INTO sources (tenant_id, display_name, credential_id, timezone, refresh_seconds, start_at, filter, keywords, verify) \
                 VALUES ($1, $2, $3, $4, $5, \
                    CASE $6 WHEN 'now' THEN collector_now() WHEN 'yesterday' THEN collector_now() - interval '24 hours' ELSE $7 END, \
                    $8, $9, $10) RETURNING id",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<Text, _>(name)
            .bind::<SqlUuid, _>(credential.id)
            .bind::<Text, _>(new.timezone.to_string())
            .bind::<diesel::sql_types::Integer, _>(i32::try_from(new.refresh.seconds()).unwrap_or(i32::MAX))
            .bind::<Text, _>(word)
            .bind::<Nullable<Timestamptz>, _>(at)
            .bind::<Nullable<Text>, _>(&new.filter)
            .bind::<Nullable<Text>, _>(&new.keywords)
            .bind::<Text, _>(new.verify.as_str())
            .get_result(conn)
            .await?;
            sql_query(
                "INSERT INTO logs (tenant_id, source_id, day, first_day) \
                 VALUES ($1, $2, (collector_now() AT TIME ZONE 'UTC')::date, (collector_now() AT TIME ZONE 'UTC')::date)",
            )
            .bind::<SqlUuid, _>(tenant.0)
            .bind::<SqlUuid, _>(id)
            .execute(conn)
            .await?;
            let how = jobs::New { trace_context: new.trace_context.as_deref(), ..jobs::New::default() };
            jobs::create(conn, tenant, JobKind::Poll, id, how).await?;
            verifications::create(conn, tenant, SourceId(id), new.verify).await?;
            for destination in &new.destinations {
                routes::insert(conn, tenant, &routes::NewRoute::between(SourceId(id), *destination)).await?;
            }
            get(conn, tenant, SourceId(id)).await
        })
        .await
    }

    /// A source.
    pub async fn source(&self, tenant: TenantId, id: SourceId) -> Result<Source, StoreError> {
        get(&mut *self.conn().await?, tenant, id).await
    }

    /// Sources of a tenant after an id, oldest first.
    pub async fn list_sources(
        &self,
        tenant: TenantId,
        after: Option<Uuid>,
        limit: i64,
    ) -> Result<Vec<Source>, StoreError> {
        let mut conn = self.conn().await?;
        Ok(sources::table
            .filter(
                sources::tenant_id
                    .eq(tenant.0)
                    .and(sources::id.gt(after.unwrap_or_default())),
            )
            .order(sources::id)
            .limit(limit)
            .select(Source::as_select())
            .load(&mut conn)
            .await?)
    }

    /// Changes a source; it is polled at once. A changed query restarts at the watermark, without loss.
    pub async fn update_source(
        &self,
        tenant: TenantId,
        id: SourceId,
        change: SourceChange,
        version: Option<i64>,
    ) -> Result<Source, StoreError> {
        self.tx(async |conn| {
            let mut source = lock(conn, tenant, id).await?;
            if version.is_some_and(|version| version != source.version) {
                return Err(Conflict::VersionChanged(source.version).into());
            }
            if let Some(credential) = change.credential {
                let credential = credentials::hold(conn, tenant, credential).await?;
                if let (Some(ours), Some(theirs)) = (&source.org_id, &credential.org_id)
                    && ours != theirs
                {
                    return Err(Conflict::ForeignOrg {
                        ours: ours.clone(),
                        theirs: theirs.clone(),
                    }
                    .into());
                }
                source.credential_id = credential.id;
            }
            if let Some(name) = &change.display_name {
                source.display_name.clone_from(name);
            }
            if let Some(timezone) = &change.timezone {
                source.timezone = timezone.to_string();
            }
            if let Some(refresh) = change.refresh {
                source.refresh_seconds = i32::try_from(refresh.seconds()).unwrap_or(i32::MAX);
            }
            if let Some(filter) = &change.filter {
                source.filter.clone_from(filter);
            }
            if let Some(keywords) = &change.keywords {
                source.keywords.clone_from(keywords);
            }
            if let Some(verify) = change.verify {
                verify.as_str().clone_into(&mut source.verify);
                let off = verify == Verify::Off;
                jobs::set_paused(conn, tenant, JobKind::Verify, &[id.0], off).await?;
            }
            if change.filter.is_some() || change.keywords.is_some() {
                note_query(conn, &source).await?;
            }
            diesel::update(sources::table.find((tenant.0, id.0)))
                .set((
                    sources::verify.eq(&source.verify),
                    sources::display_name.eq(&source.display_name),
                    sources::credential_id.eq(source.credential_id),
                    sources::timezone.eq(&source.timezone),
                    sources::refresh_seconds.eq(source.refresh_seconds),
                    sources::filter.eq(&source.filter),
                    sources::keywords.eq(&source.keywords),
                    sources::version.eq(sources::version + 1),
                ))
                .execute(conn)
                .await?;
            jobs::poke(conn, tenant, JobKind::Poll, &[id.0], Paused::Sleeps).await?;
            touch(conn, tenant, id).await?;
            get(conn, tenant, id).await
        })
        .await
    }

    /// Pauses or resumes polling. Delivery of what is stored goes on.
    pub async fn set_source_enabled(
        &self,
        tenant: TenantId,
        id: SourceId,
        enabled: bool,
    ) -> Result<Source, StoreError> {
        self.tx(async |conn| {
            let source = lock(conn, tenant, id).await?;
            if source.enabled != enabled {
                diesel::update(sources::table.find((tenant.0, id.0)))
                    .set((
                        sources::enabled.eq(enabled),
                        sources::version.eq(sources::version + 1),
                    ))
                    .execute(conn)
                    .await?;
                touch(conn, tenant, id).await?;
                jobs::set_paused(conn, tenant, JobKind::Poll, &[id.0], !enabled).await?;
                if enabled {
                    jobs::poke(conn, tenant, JobKind::Poll, &[id.0], Paused::Sleeps).await?;
                }
            }
            get(conn, tenant, id).await
        })
        .await
    }

    /// Deletes a source with everything stored for it. Refused while events wait for delivery,
    /// unless `discard`.
    pub async fn delete_source(
        &self,
        tenant: TenantId,
        id: SourceId,
        discard: bool,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            lock(conn, tenant, id).await?;
            let of_source = route_rows::tenant_id
                .eq(tenant.0)
                .and(route_rows::source_id.eq(id.0));
            let routes: Vec<Uuid> = route_rows::table
                .filter(of_source)
                .order(route_rows::id)
                .select(route_rows::id)
                .load(conn)
                .await?;
            let of_source = backfill_rows::tenant_id
                .eq(tenant.0)
                .and(backfill_rows::source_id.eq(id.0));
            let backfills: Vec<Uuid> = backfill_rows::table
                .filter(of_source)
                .select(backfill_rows::id)
                .load(conn)
                .await?;
            let mut jobs = vec![(JobKind::Poll, id.0), (JobKind::Verify, id.0)];
            jobs.extend(routes.iter().map(|route| (JobKind::Deliver, *route)));
            jobs.extend(backfills.iter().map(|id| (JobKind::Backfill, *id)));
            // From here on no page is appended and nothing is settled without this being seen.
            jobs::lock(conn, tenant, &jobs).await?;
            if !discard {
                routes::refuse_undelivered(conn, tenant, &routes).await?;
            }
            jobs::remove(conn, tenant, &jobs).await?;
            // What is stored goes with the source, and that can be much.
            sql_query("SET LOCAL statement_timeout = '15min'")
                .execute(conn)
                .await?;
            diesel::delete(sources::table.find((tenant.0, id.0)))
                .execute(conn)
                .await?;
            Ok(())
        })
        .await
    }

    /// Binds a source to the org of its first contact.
    ///
    /// # Errors
    /// [`Conflict::ForeignOrg`] if it is bound to another one.
    pub async fn bind_source_org(
        &self,
        tenant: TenantId,
        id: SourceId,
        org_id: &str,
    ) -> Result<(), StoreError> {
        self.tx(async |conn| {
            let source = lock(conn, tenant, id).await?;
            match source.org_id {
                Some(ours) if ours != org_id => Err(Conflict::ForeignOrg {
                    ours,
                    theirs: org_id.to_owned(),
                }
                .into()),
                Some(_) => Ok(()),
                None => {
                    diesel::update(sources::table.find((tenant.0, id.0)))
                        .set(sources::org_id.eq(org_id))
                        .execute(conn)
                        .await?;
                    Ok(())
                }
            }
        })
        .await
    }
}

/// Notes since when another query applies, if this changes it.
async fn note_query(conn: &mut AsyncPgConnection, new: &Source) -> Result<(), StoreError> {
    sql_query(
        "UPDATE sources SET query_changed_at = collector_now() \
         WHERE tenant_id = $1 AND id = $2 AND (filter, keywords) IS DISTINCT FROM ($3, $4)",
    )
    .bind::<SqlUuid, _>(new.tenant_id)
    .bind::<SqlUuid, _>(new.id)
    .bind::<Nullable<Text>, _>(&new.filter)
    .bind::<Nullable<Text>, _>(&new.keywords)
    .execute(conn)
    .await?;
    Ok(())
}

async fn touch(
    conn: &mut AsyncPgConnection,
    tenant: TenantId,
    id: SourceId,
) -> Result<(), StoreError> {
    sql_query("UPDATE sources SET updated_at = collector_now() WHERE tenant_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(tenant.0)
        .bind::<SqlUuid, _>(id.0)
        .execute(conn)
        .await?;
    Ok(())
}

impl Source {
    /// The refresh frequency.
    pub fn refresh(&self) -> RefreshFrequency {
        RefreshFrequency::clamped(self.refresh_seconds.into())
    }

    /// How often it is compared with Okta; a word of a newer version counts as daily.
    pub fn verify(&self) -> Verify {
        self.verify.parse().unwrap_or_default()
    }
}
