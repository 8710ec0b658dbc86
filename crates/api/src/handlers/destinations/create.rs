//! `POST /v1/destinations`

use actix_web::{HttpResponse, post, web};
use store::NewDestination;
use utoipa::ToSchema;

use super::file::FileSettings;
use super::insightops::InsightOpsCreate;
use super::settings::read_new;
use super::webhook::WebhookCreate;
use super::{DestinationKind, DestinationView, KINDS};
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
    /// Settings of the kind `insightops`
    #[schema(nullable = false)]
    insightops: Option<InsightOpsCreate>,
    /// Settings of the kind `webhook`
    #[schema(nullable = false)]
    webhook: Option<WebhookCreate>,
}

fn read_kind(word: &str) -> Result<&'static str, String> {
    let kind = KINDS.into_iter().find(|kind| *kind == word);
    kind.ok_or_else(|| format!("kind must be one of {}", KINDS.join(", ")))
}

/// Create a destination
///
/// Does not call it; a test or the first delivery does.
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
    let kind = fields.parsed("kind", "unknown_kind", read_kind);
    let settings = read_new(&mut fields, kinds, kind);
    let new = fields.finish(|| {
        Some(NewDestination {
            name: name?,
            kind: kind?.to_owned(),
            settings: settings?,
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
