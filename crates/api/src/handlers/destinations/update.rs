//! `PATCH /v1/destinations/{destination_id}`

use actix_web::{HttpResponse, patch, web};
use forward::FileDestination;
use model::ids::DestinationId;
use serde_json::{Map, Value};
use store::DestinationChange;
use utoipa::ToSchema;

use super::{DestinationView, check_settings};
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
}

/// What to change about the settings of a file destination
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what is merged and then checked")]
pub(crate) struct FilePatch {
    /// A new name of the file; what was delivered before stays in the old one
    #[schema(nullable = false, min_length = 1, max_length = 1024)]
    path: Option<String>,
}

/// Change a destination
///
/// Its routes try again at once, at the event where they were.
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
    let old = state.store.destination(caller.tenant, id).await?;
    let version = if_match.demand(async { Ok(old.version) }).await?;

    let name = fields.text("name", MAX_NAME);
    let patch = fields.object(FileDestination::KIND);
    let config = match patch {
        Some(_) if old.kind != FileDestination::KIND => {
            let detail = format!("this destination is of the kind {:?}", old.kind);
            fields.error(FileDestination::KIND, "other_kind", detail);
            None
        }
        Some(patch) => check_settings(&mut fields, kinds, &old.kind, merged(old.config, patch)),
        None => None,
    };
    let change = fields.finish(|| Some(DestinationChange { name, config }))?;
    let destination = state
        .store
        .update_destination(caller.tenant, id, change, version)
        .await?;
    state.hint.ring();
    let view = DestinationView::of(destination, kinds);
    Ok(versioned(view.version, view))
}

/// Merges one level deep (RFC 7396): null takes a setting away.
fn merged(old: Value, patch: Map<String, Value>) -> Map<String, Value> {
    let Value::Object(mut settings) = old else {
        return patch;
    };
    for (name, value) in patch {
        if value.is_null() {
            settings.remove(&name);
        } else {
            settings.insert(name, value);
        }
    }
    settings
}
