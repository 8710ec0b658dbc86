//! The id in a path.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::{Ready, ready};
use uuid::Uuid;

use crate::problem::{Kind, Problem};

/// The one id of a path such as `/v1/sources/{source_id}/status`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathId(pub(crate) Uuid);

impl FromRequest for PathId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().iter().next();
        let id = id.and_then(|(_, text)| Uuid::try_parse(text).ok());
        let problem = || {
            Problem::new(
                Kind::InvalidId,
                "the id in the path is no id; ids are UUIDs",
            )
        };
        ready(id.map(Self).ok_or_else(problem))
    }
}
