//! The surface of the API as a table made of its own document, and of the pages that are not in it:
//! which paths there are, with which methods and query parameters.
//!
//! The framework answers 404 for a known path with another method, and ignores unknown query
//! parameters, so that `?limti=5` would return everything. Both are caught here, before a handler.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::{OpenApi, RefOr};

use crate::problem::{Kind, Problem};
use crate::query;
use crate::suggest::{nearest, shorten};

/// Names of the query parameters, by method.
type Methods = BTreeMap<&'static str, BTreeSet<String>>;

/// What may be asked for.
#[derive(Debug)]
pub(crate) struct Surface {
    /// Patterns cut at `/`, such as `["", "v1", "sources", "{source_id}"]`.
    paths: Vec<(Vec<String>, Methods)>,
}

impl Surface {
    pub(crate) fn of(document: &OpenApi) -> Self {
        let paths = document.paths.paths.iter().map(|(pattern, item)| {
            let methods =
                operations(item).map(|(method, operation)| (method, parameters(operation)));
            (segments(pattern), methods.collect())
        });
        Self {
            paths: paths.collect(),
        }
    }

    /// Adds what can be got without a parameter, and is for people only.
    pub(crate) fn with_pages(mut self, patterns: &[&str]) -> Self {
        let methods = Methods::from([("GET", BTreeSet::new())]);
        let pages = patterns
            .iter()
            .map(|pattern| (segments(pattern), methods.clone()));
        self.paths.extend(pages);
        self
    }

    /// Refuses a method or a query parameter that a known path does not have.
    fn check(&self, method: &str, path: &str, query: &str) -> Result<(), Problem> {
        let Some(methods) = self.find(path) else {
            return Ok(());
        };
        let Some(known) = methods.get(method) else {
            let allow: Vec<&str> = methods.keys().copied().collect();
            return Err(Problem::method_not_allowed(method, &allow.join(", ")));
        };
        let sent = query::pairs(query);
        match sent.iter().find(|(name, _)| !known.contains(name)) {
            None => Ok(()),
            Some((name, _)) => {
                let hint = nearest(name, known.iter().map(String::as_str));
                let name = shorten(name);
                let detail = format!("there is no query parameter {name:?} here{hint}");
                Err(Problem::parameter(
                    Kind::InvalidQuery,
                    &name,
                    "unknown_parameter",
                    detail,
                ))
            }
        }
    }

    fn find(&self, path: &str) -> Option<&Methods> {
        let matches = |pattern: &[String]| {
            pattern.len() == path.split('/').count()
                && pattern
                    .iter()
                    .zip(path.split('/'))
                    .all(|(pattern, segment)| {
                        pattern == segment || pattern.starts_with('{') && !segment.is_empty()
                    })
        };
        let (_, methods) = self.paths.iter().find(|(pattern, _)| matches(pattern))?;
        Some(methods)
    }
}

fn segments(pattern: &str) -> Vec<String> {
    pattern.split('/').map(str::to_owned).collect()
}

fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

fn parameters(operation: &Operation) -> BTreeSet<String> {
    let all = operation.parameters.iter().flatten();
    all.filter_map(|parameter| match parameter {
        RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => {
            Some(parameter.name.clone())
        }
        _ => None,
    })
    .collect()
}

/// Refuses what no handler would understand.
pub(crate) async fn check_surface<B: MessageBody + 'static>(
    surface: web::Data<Surface>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<impl MessageBody + use<B>>, Error> {
    match surface.check(
        request.method().as_str(),
        request.path(),
        request.query_string(),
    ) {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(problem) => Ok(request.error_response(problem).map_into_right_body::<B>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, query: &str) -> Result<(), String> {
        let surface = Surface::of(&crate::openapi());
        surface
            .check(method, path, query)
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn known_requests_pass_and_unknown_paths_are_left_to_the_router() {
        assert_eq!(check("GET", "/v1/sources", "limit=5&cursor=x"), Ok(()));
        assert_eq!(check("DELETE", "/v1/sources/x", "discard=true"), Ok(()));
        assert_eq!(check("GET", "/v2/sources", "x=1"), Ok(()));
        assert_eq!(check("GET", "/v1/sources/", ""), Ok(()));
    }

    #[test]
    fn other_methods_are_refused_with_those_there_are() {
        assert_eq!(
            check("PUT", "/v1/sources/x", "").unwrap_err(),
            "PUT is not supported here; supported: DELETE, GET, PATCH"
        );
    }

    #[test]
    fn unknown_parameters_are_refused_with_a_hint() {
        assert_eq!(
            check("GET", "/v1/sources", "limti=5").unwrap_err(),
            "there is no query parameter \"limti\" here; did you mean \"limit\"?"
        );
    }
}
