//! `POST /v1/destinations/{destination_id}/test`

use actix_web::{HttpResponse, post, web};
use forward::{Check, Settings, Verdict};
use model::ids::DestinationId;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::proof_of;
use crate::answer::plain;
use crate::auth::Operator;
use crate::handlers::check::TestCheck;
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::state::ApiState;

/// What a test of a destination showed
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DestinationTest {
    /// Whether nothing failed
    ok: bool,
    /// What "delivered" proves at this kind of destination: `stored`, `accepted` or `sent`
    #[schema(required, examples("accepted"))]
    proves: Option<String>,
    /// The steps, in order
    checks: Vec<TestCheck>,
}

/// Test a destination
///
/// Sends something harmless from the machine of the API and tells what came of it; what the
/// destination refuses is a result, no error. Takes up to half a minute.
#[utoipa::path(
    tag = "destinations",
    params(("destination_id" = Uuid, Path, description = "Id of the destination")),
    responses((status = 200, description = "What it showed", body = DestinationTest), Problem)
)]
#[post("/v1/destinations/{destination_id}/test")]
#[tracing::instrument(name = "api.destinations.test", skip_all)]
pub(crate) async fn test_destination(
    state: web::Data<ApiState>,
    Operator(caller): Operator,
    PathId(id): PathId,
) -> Result<HttpResponse, Problem> {
    let id = DestinationId(id);
    let (row, secrets) = state.store.open_destination(caller.tenant, id).await?;
    let opened = secrets.map_err(|error| error.to_string());
    let opened = opened.and_then(|secrets| {
        let settings = Settings::stored(&row.config, secrets.as_ref());
        let destination = state.destinations.open(&row.kind, &settings);
        destination.map_err(|error| error.to_string())
    });
    let checks = match opened {
        Ok(destination) => {
            let now = state.store.clock().await?;
            let nonce = Uuid::new_v4().simple().to_string();
            destination.test(&nonce, now).await
        }
        Err(detail) => vec![unusable(detail)],
    };
    Ok(plain(DestinationTest {
        ok: !checks
            .iter()
            .any(|check| matches!(check.verdict, Verdict::Failed(_))),
        proves: proof_of(&row.kind, state.destinations.as_ref()),
        checks: checks.into_iter().map(TestCheck::from).collect(),
    }))
}

fn unusable(detail: String) -> Check {
    Check {
        name: "settings",
        verdict: Verdict::Failed("unusable"),
        detail,
    }
}
