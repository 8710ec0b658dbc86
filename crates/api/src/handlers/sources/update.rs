//! `PATCH /v1/sources/{source_id}`

use actix_web::{HttpResponse, patch, web};
use model::ids::{CredentialId, SourceId};
use model::range::Verify;
use model::source::{RefreshFrequency, Timezone};
use store::{Resource, SourceChange, StoreError};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{MAX_QUERY, SourceView, VerifyFrequency};
use crate::answer::versioned;
use crate::auth::Operator;
use crate::body::Body;
use crate::conditional::{IfMatch, IfMatchParams};
use crate::handlers::MAX_NAME;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// What to change about a source; what is left out stays
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what update_source reads")]
pub(crate) struct SourcePatch {
    /// A new name
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    display_name: Option<String>,
    /// Another credential of the same org
    #[schema(nullable = false)]
    credential_id: Option<Uuid>,
    /// IANA timezone, for display
    #[schema(nullable = false)]
    timezone: Option<String>,
    /// How often to poll: from `10s` to `30d`
    #[schema(nullable = false)]
    refresh_frequency: Option<String>,
    /// Okta's filter expression; null: none
    #[schema(min_length = 1, max_length = 2000)]
    filter: Option<String>,
    /// Okta's keywords; null: none
    #[schema(min_length = 1, max_length = 2000)]
    q: Option<String>,
    /// How often to compare what is stored with Okta, event by event
    #[schema(nullable = false)]
    verify: Option<VerifyFrequency>,
}

/// Change a source
///
/// It is polled at once. With another filter or other keywords it goes on where it was, without a gap.
#[utoipa::path(
    tag = "sources",
    params(("source_id" = Uuid, Path, description = "Id of the source"), IfMatchParams),
    request_body = SourcePatch,
    responses(
        (status = 200, description = "The source as it is now", body = SourceView, headers(
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[patch("/v1/sources/{source_id}")]
#[tracing::instrument(name = "api.sources.update", skip_all)]
pub(crate) async fn update_source(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
    if_match: IfMatch,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let id = SourceId(id);
    let mut fields = body.fields::<SourcePatch>()?;
    let display_name = fields.text("display_name", MAX_NAME);
    let credential = fields.id("credential_id").map(CredentialId);
    let timezone = fields.parsed("timezone", "invalid_timezone", str::parse::<Timezone>);
    let refresh = fields.parsed(
        "refresh_frequency",
        "invalid_duration",
        str::parse::<RefreshFrequency>,
    );
    let filter = fields.clearable_text("filter", MAX_QUERY);
    let keywords = fields.clearable_text("q", MAX_QUERY);
    let verify = fields.parsed("verify", "invalid_value", str::parse::<Verify>);
    let change = fields.finish(|| {
        Some(SourceChange {
            display_name,
            credential,
            timezone,
            refresh,
            filter,
            keywords,
            verify,
        })
    })?;
    let current = async { Ok(state.store.source(caller.tenant, id).await?.version) };
    let version = if_match.demand(current).await?;
    let source = state
        .store
        .update_source(caller.tenant, id, change, version)
        .await;
    let source = source.map_err(|error| match error {
        StoreError::NotFound(Resource::Credential) => Problem::field(
            "/credential_id",
            "unknown_credential",
            "there is no such credential",
        ),
        error => error.into(),
    })?;
    state.hint.ring();
    Ok(versioned(source.version, SourceView::from(source)))
}
