//! The `filter` parameter: the part of SCIM that the System Log takes.
//!
//! `eq ne co sw ew gt ge lt le pr`, `and`, `or`, `not (..)` and brackets, over dotted paths; a path through an array
//! means any of its items. Names of attributes heed case, operators do not; strings are compared as they are.

mod fields;
mod lex;
mod parse;

use serde_json::Value;

use crate::errors::ApiError;

/// A filter that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Present(Vec<String>),
    Compare(Vec<String>, Operator, Value),
}

/// How an attribute is compared with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Filter {
    /// Reads a filter, or refuses it as Okta does.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        parse::parse(text)
    }

    /// Whether an event is wanted.
    pub(crate) fn matches(&self, event: &Value) -> bool {
        match self {
            Self::And(left, right) => left.matches(event) && right.matches(event),
            Self::Or(left, right) => left.matches(event) || right.matches(event),
            Self::Not(inner) => !inner.matches(event),
            Self::Present(path) => any(event, path, &|value| !value.is_null()),
            Self::Compare(path, Operator::NotEqual, value) => {
                !any(event, path, &|found| compare(found, Operator::Equal, value))
            }
            Self::Compare(path, operator, value) => {
                any(event, path, &|found| compare(found, *operator, value))
            }
        }
    }
}

/// Whether `test` holds for a value at `path`.
fn any(value: &Value, path: &[String], test: &dyn Fn(&Value) -> bool) -> bool {
    if let Value::Array(items) = value {
        return items.iter().any(|item| any(item, path, test));
    }
    match path.split_first() {
        None => test(value),
        Some((name, rest)) => value.get(name).is_some_and(|inner| any(inner, rest, test)),
    }
}

fn compare(found: &Value, operator: Operator, wanted: &Value) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};

    let order = match (found, wanted) {
        (Value::String(found), Value::String(wanted)) => match operator {
            Operator::Contains => return found.contains(wanted.as_str()),
            Operator::StartsWith => return found.starts_with(wanted.as_str()),
            Operator::EndsWith => return found.ends_with(wanted.as_str()),
            _ => Some(found.cmp(wanted)),
        },
        (Value::Number(found), Value::Number(wanted)) => found
            .as_f64()
            .zip(wanted.as_f64())
            .and_then(|(found, wanted)| found.partial_cmp(&wanted)),
        _ => (found == wanted).then_some(Equal),
    };
    match operator {
        Operator::Equal => order == Some(Equal),
        Operator::Greater => order == Some(Greater),
        Operator::GreaterOrEqual => matches!(order, Some(Greater | Equal)),
        Operator::Less => order == Some(Less),
        Operator::LessOrEqual => matches!(order, Some(Less | Equal)),
        Operator::NotEqual | Operator::Contains | Operator::StartsWith | Operator::EndsWith => {
            false
        }
    }
}
