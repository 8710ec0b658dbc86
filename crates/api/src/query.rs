//! Query parameters. That only documented ones are there is checked before (see `surface`).

use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::{Ready, ready};
use utoipa::IntoParams;

use crate::problem::{Kind, Problem};

/// The query parameters of a request.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

/// The pairs of a query string, percent-decoded.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    web::Query::<Vec<(String, String)>>::from_query(query)
        .map(web::Query::into_inner)
        .unwrap_or_default()
}

impl Query {
    /// The value of a parameter, if it is there.
    ///
    /// # Errors
    /// It is there twice, or is no `T`; `wanted` says what it should be.
    pub(crate) fn get<T: FromStr>(&self, name: &str, wanted: &str) -> Result<Option<T>, Problem> {
        let mut values = self.0.iter().filter(|(key, _)| key == name);
        let Some((_, value)) = values.next() else {
            return Ok(None);
        };
        let wrong = |code, detail| Problem::parameter(Kind::InvalidQuery, name, code, detail);
        if values.next().is_some() {
            return Err(wrong(
                "duplicate",
                format!("{name} is there more than once"),
            ));
        }
        match value.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(wrong("invalid_value", format!("{name} must be {wanted}"))),
        }
    }

    /// Whether a switch is `true`.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.get(name, "true or false")?.unwrap_or(false))
    }
}

impl FromRequest for Query {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(pairs(request.query_string()))))
    }
}

/// The parameter of deletions that may throw events away, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents what is read as a flag")]
pub(crate) struct DiscardParams {
    /// Throw away events that are stored and not delivered
    #[param(default = false, nullable = false)]
    discard: Option<bool>,
}
