//! `GET /v1/routes/{route_id}/dead-letters`

use actix_web::{HttpResponse, get, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use model::ids::RouteId;
use serde::Serialize;
use store::DeadLetter;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::plain;
use crate::auth::Viewer;
use crate::pagination::{Page, PageParams};
use crate::path_id::PathId;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::ApiState;

/// An event that the destination of a route refused for good, or takes only shrunk
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub(crate) struct DeadLetterView {
    /// The id
    id: Uuid,
    /// The route
    route_id: Uuid,
    /// `refused`: not delivered. `shrunk`: delivered smaller than it is, marked so; this is the original.
    /// The set may grow
    #[schema(examples("refused"))]
    kind: String,
    /// Number of the batch that holds the event
    batch_number: i64,
    /// Place of the event in the batch, from 0
    batch_index: i32,
    /// Why, as a stable word
    cause: String,
    /// Why, for a person
    detail: String,
    /// The event as Okta sent it, as text; null if it is not valid UTF-8
    #[schema(required)]
    event: Option<String>,
    /// The event as Okta sent it, in base64, if it is not valid UTF-8; else null
    #[schema(required)]
    event_base64: Option<String>,
    /// The hour of the ledger in which it is counted
    hour: DateTime<Utc>,
    /// When that was
    created_at: DateTime<Utc>,
}

impl From<DeadLetter> for DeadLetterView {
    fn from(row: DeadLetter) -> Self {
        let (event, event_base64) = match String::from_utf8(row.event) {
            Ok(text) => (Some(text), None),
            Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
        };
        Self {
            id: row.id,
            route_id: row.route_id,
            kind: row.kind,
            batch_number: row.number,
            batch_index: row.index,
            cause: row.cause,
            detail: row.detail,
            event,
            event_base64,
            hour: row.hour,
            created_at: row.created_at,
        }
    }
}

/// A page of dead letters
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeadLetterList {
    /// The dead letters, oldest first
    items: Vec<DeadLetterView>,
    /// Where the next page begins; null on the last one
    #[schema(required)]
    next_cursor: Option<String>,
}

/// List the dead letters of a route
#[utoipa::path(
    tag = "routes",
    params(("route_id" = Uuid, Path, description = "Id of the route"), PageParams),
    responses((status = 200, description = "A page of dead letters", body = DeadLetterList), Problem)
)]
#[get("/v1/routes/{route_id}/dead-letters")]
#[tracing::instrument(name = "api.routes.dead_letters", skip_all)]
pub(crate) async fn list_dead_letters(
    state: web::Data<ApiState>,
    Viewer(caller): Viewer,
    PathId(id): PathId,
    query: Query,
) -> Result<HttpResponse, Problem> {
    let page = Page::of(&query, format!("dead letters of {id}"))?;
    let route = RouteId(id);
    state.store.route(caller.tenant, route).await?;
    let rows = state
        .store
        .list_dead_letters(caller.tenant, route, page.after()?, page.fetch())
        .await?;
    let (rows, next_cursor) = page.cut(rows, |row| row.id.to_string());
    let items = rows.into_iter().map(DeadLetterView::from).collect();
    Ok(plain(DeadLetterList { items, next_cursor }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(event: &[u8]) -> DeadLetterView {
        DeadLetterView::from(DeadLetter {
            id: Uuid::nil(),
            route_id: Uuid::nil(),
            kind: "refused".to_owned(),
            number: 1,
            index: 0,
            cause: "x".to_owned(),
            detail: "x".to_owned(),
            event: event.to_vec(),
            hour: DateTime::UNIX_EPOCH,
            created_at: DateTime::UNIX_EPOCH,
        })
    }

    #[test]
    fn an_event_is_shown_without_loss() {
        let text = view("{ \"a\" : \"\\ud800 é\u{2028}\" }".as_bytes());
        assert_eq!(
            text.event.as_deref(),
            Some("{ \"a\" : \"\\ud800 é\u{2028}\" }")
        );
        assert_eq!(text.event_base64, None);
        let bytes = view(b"{\"a\":\"\xff\"}");
        assert_eq!(bytes.event, None);
        assert_eq!(
            STANDARD.decode(bytes.event_base64.unwrap()).unwrap(),
            b"{\"a\":\"\xff\"}"
        );
    }
}
