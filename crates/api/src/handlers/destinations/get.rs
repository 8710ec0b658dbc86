//! `GET /v1/destinations/{destination_id}`

use actix_web::{HttpResponse, get, web};
use model::ids::DestinationId;

use super::DestinationView;
use crate::answer::versioned;
use crate::auth::Viewer;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// Get a destination
#[utoipa::path(
    tag = "destinations",
    params(("destination_id" = Uuid, Path, description = "Id of the destination")),
    responses(
        (status = 200, description = "The destination", body = DestinationView, headers(
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[get("/v1/destinations/{destination_id}")]
#[tracing::instrument(name = "api.destinations.get", skip_all)]
pub(crate) async fn get_destination(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    PathId(id): PathId,
) -> Result<HttpResponse, Problem> {
    let destination = state
        .store
        .destination(caller.tenant, DestinationId(id))
        .await?;
    let view = DestinationView::of(destination, state.destinations.as_ref());
    Ok(versioned(view.version, view))
}
