//! `PATCH /v1/destinations/{destination_id}`

use actix_web::{HttpResponse, patch, web};
use model::ids::DestinationId;
use store::DestinationChange;
use utoipa::ToSchema;

use super::DestinationView;
use super::file::FilePatch;
use super::insightops::InsightOpsPatch;
use super::settings::read_patch;
use super::webhook::WebhookPatch;
use crate::answer::versioned;
use crate::auth::Operator;
use crate::body::Body;
use crate::conditional::{IfMatch, IfMatchParams};
use crate::handlers::MAX_NAME;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// What to change about a destination; what is left out stays, its kind always
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what update_destination reads")]
pub(crate) struct DestinationPatch {
    /// A new name
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// New settings of the kind `file`
    #[schema(nullable = false)]
    file: Option<FilePatch>,
    /// New settings of the kind `insightops`
    #[schema(nullable = false)]
    insightops: Option<InsightOpsPatch>,
    /// New settings of the kind `webhook`
    #[schema(nullable = false)]
    webhook: Option<WebhookPatch>,
}

/// Change a destination
///
/// Its routes try again at once, at the event where they were. A change of settings that meets another
/// one is refused (412), also without `If-Match`: settings are merged into those that were read.
#[utoipa::path(
    tag = "destinations",
    params(("destination_id" = Uuid, Path, description = "Id of the destination"), IfMatchParams),
    request_body = DestinationPatch,
    responses(
        (status = 200, description = "The destination as it is now", body = DestinationView, headers(
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[patch("/v1/destinations/{destination_id}")]
#[tracing::instrument(name = "api.destinations.update", skip_all)]
pub(crate) async fn update_destination(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
    if_match: IfMatch,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let id = DestinationId(id);
    let kinds = state.destinations.as_ref();
    let mut fields = body.fields::<DestinationPatch>()?;
    let (old, secrets) = state.store.open_destination(caller.tenant, id).await?;
    let demanded = if_match.demand(async { Ok(old.version) }).await?;
    // Secrets that do not open are as good as none: what is missing then is told by name.
    let secrets = secrets
        .inspect_err(|error| tracing::warn!(%error, "the secrets of a destination do not open"))
        .unwrap_or_default();

    let name = fields.text("name", MAX_NAME);
    let settings = read_patch(&mut fields, kinds, &old, secrets.as_ref());
    // Settings were merged into those of this version; into others they might not fit.
    let version = demanded.or(settings.as_ref().map(|_| old.version));
    let change = fields.finish(|| Some(DestinationChange { name, settings }))?;
    let destination = state
        .store
        .update_destination(caller.tenant, id, change, version)
        .await?;
    state.hint.ring();
    let view = DestinationView::of(destination, kinds);
    Ok(versioned(view.version, view))
}
