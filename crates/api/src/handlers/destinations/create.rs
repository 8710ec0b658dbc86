//! `POST /v1/destinations`

use actix_web::{HttpResponse, post, web};
use forward::FileDestination;
use store::NewDestination;
use utoipa::ToSchema;

use super::{DestinationKind, DestinationView, FileSettings, check_settings};
use crate::answer::created;
use crate::auth::Operator;
use crate::body::Body;
use crate::handlers::MAX_NAME;
use crate::problem::Problem;
use crate::state::ApiState;

/// A destination to be made
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what create_destination reads")]
pub(crate) struct DestinationCreate {
    /// A name, unique among your destinations
    #[schema(min_length = 1, max_length = 200, examples("Archive"))]
    name: String,
    /// Which kind; its settings go into the field of the same name
    kind: DestinationKind,
    /// Settings of the kind `file`
    #[schema(nullable = false)]
    file: Option<FileSettings>,
}

/// Create a destination
#[utoipa::path(
    tag = "destinations",
    request_body = DestinationCreate,
    responses(
        (status = 201, description = "The destination", body = DestinationView, headers(
            ("Location" = String, description = "Path of the destination"),
            ("ETag" = String, description = "Its version"),
        )),
        Problem,
    )
)]
#[post("/v1/destinations")]
#[tracing::instrument(name = "api.destinations.create", skip_all)]
pub(crate) async fn create_destination(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let kinds = state.destinations.as_ref();
    let mut fields = body.fields::<DestinationCreate>()?;
    let name = fields.text("name", MAX_NAME);
    let kind = fields.parsed("kind", "unknown_kind", |word| match word {
        FileDestination::KIND => Ok(FileDestination::KIND),
        _ => Err("kind must be \"file\""),
    });
    let has_settings = fields.has(FileDestination::KIND);
    let settings = fields.object(FileDestination::KIND);
    let config = match (kind, settings) {
        (Some(kind), Some(settings)) => check_settings(&mut fields, kinds, kind, settings),
        (Some(kind), None) if !has_settings => {
            fields.error(
                kind,
                "required",
                format!("{kind} is missing: the settings of this kind"),
            );
            None
        }
        _ => None,
    };
    let new = fields.finish(|| {
        Some(NewDestination {
            name: name?,
            kind: kind?.to_owned(),
            config: config?,
        })
    })?;
    let destination = state.store.create_destination(caller.tenant, new).await?;
    let location = format!("/v1/destinations/{}", destination.id);
    Ok(created(
        &location,
        destination.version,
        DestinationView::of(destination, kinds),
    ))
}
