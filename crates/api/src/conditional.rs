//! `ETag` and `If-Match`: the version of a row, so that two editors do not overwrite each other.

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::{Ready, ready};
use store::{Conflict, StoreError};
use utoipa::IntoParams;

use crate::problem::Problem;

/// The entity tag of a version.
pub(crate) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

/// The header of every change, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents what IfMatch reads")]
pub(crate) struct IfMatchParams {
    /// Change only if this is still the `ETag`; without it the last change wins
    #[param(rename = "If-Match", nullable = false)]
    if_match: Option<String>,
}

/// The versions that the caller would change; `None` if any.
#[derive(Debug)]
pub(crate) struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// The version to demand of the store: none if the caller does not care, else the current one
    /// if it is among those the caller knows.
    ///
    /// # Errors
    /// 412, or what reading the current version says.
    pub(crate) async fn demand(
        &self,
        current: impl Future<Output = Result<i64, StoreError>>,
    ) -> Result<Option<i64>, Problem> {
        let Some(known) = &self.0 else {
            return Ok(None);
        };
        let version = current.await?;
        if known.contains(&etag(version)) {
            Ok(Some(version))
        } else {
            Err(Conflict::VersionChanged(version).into())
        }
    }
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let tags: Vec<String> = request
            .headers()
            .get_all(header::IF_MATCH)
            .flat_map(|value| value.to_str().unwrap_or_default().split(','))
            .map(|tag| tag.trim().to_owned())
            .collect();
        let any = tags.is_empty() || tags.iter().any(|tag| tag == "*");
        ready(Ok(Self((!any).then_some(tags))))
    }
}
