//! From words to a filter: `not` and brackets bind closest, then `and`, then `or`.

use std::iter::Peekable;
use std::vec::IntoIter;

use crate::errors::ApiError;
use crate::filter::fields;
use crate::filter::lex::{Kind, Token, lex};
use crate::filter::{Filter, Operator};

/// Deeper than any real filter, shallow enough for the stack.
const DEPTH: usize = 64;

pub(crate) fn parse(text: &str) -> Result<Filter, ApiError> {
    let tokens = lex(text).ok_or_else(|| unreadable(text))?;
    let mut parser = Parser {
        text,
        tokens: tokens.into_iter().peekable(),
        depth: 0,
    };
    let filter = parser.either()?;
    match parser.tokens.next() {
        None => Ok(filter),
        Some(_) => Err(unreadable(text)),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Peekable<IntoIter<Token>>,
    depth: usize,
}

impl Parser<'_> {
    fn either(&mut self) -> Result<Filter, ApiError> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(unreadable(self.text));
        }
        let mut left = self.both()?;
        while self.takes("or") {
            left = Filter::Or(Box::new(left), Box::new(self.both()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn both(&mut self) -> Result<Filter, ApiError> {
        let mut left = self.single()?;
        while self.takes("and") {
            left = Filter::And(Box::new(left), Box::new(self.single()?));
        }
        Ok(left)
    }

    fn single(&mut self) -> Result<Filter, ApiError> {
        if self.takes("not") {
            return Ok(Filter::Not(Box::new(self.bracketed()?)));
        }
        match self.tokens.peek().map(|token| &token.kind) {
            Some(Kind::Open) => self.bracketed(),
            _ => self.comparison(),
        }
    }

    fn bracketed(&mut self) -> Result<Filter, ApiError> {
        self.expect(&Kind::Open)?;
        let inner = self.either()?;
        self.expect(&Kind::Close)?;
        Ok(inner)
    }

    fn comparison(&mut self) -> Result<Filter, ApiError> {
        let name = self.word()?;
        let operator = self.word()?;
        let path = |name: &str| {
            if fields::is_known(name) {
                Ok(name.split('.').map(str::to_owned).collect())
            } else {
                Err(ApiError::log_filter(format!("field is not valid: {name}")))
            }
        };
        let operator = match operator.1.to_ascii_lowercase().as_str() {
            "pr" => return Ok(Filter::Present(path(&name.1)?)),
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            "co" => Operator::Contains,
            "sw" => Operator::StartsWith,
            "ew" => Operator::EndsWith,
            "gt" => Operator::Greater,
            "ge" => Operator::GreaterOrEqual,
            "lt" => Operator::Less,
            "le" => Operator::LessOrEqual,
            _ => {
                return Err(ApiError::log_filter(format!(
                    "Invalid filter '{}': Unrecognized attribute operator '{}' at position {}. Expected: \
                     eq,co,sw,pr,gt,ge,lt,le",
                    self.text, operator.1, operator.0
                )));
            }
        };
        if operator == Operator::Contains && fields::is_not_searched(&name.1) {
            return Err(ApiError::unsupported_pair("co", &name.1));
        }
        let value = self.tokens.next().and_then(|token| token.value());
        let value = value.ok_or_else(|| unreadable(self.text))?;
        Ok(Filter::Compare(path(&name.1)?, operator, value))
    }

    /// A word with its place.
    fn word(&mut self) -> Result<(usize, String), ApiError> {
        match self.tokens.next() {
            Some(Token {
                at,
                kind: Kind::Word(word),
            }) => Ok((at, word)),
            _ => Err(unreadable(self.text)),
        }
    }

    fn takes(&mut self, word: &str) -> bool {
        let is = |token: &Token| matches!(&token.kind, Kind::Word(found) if found.eq_ignore_ascii_case(word));
        self.tokens.next_if(is).is_some()
    }

    fn expect(&mut self, kind: &Kind) -> Result<(), ApiError> {
        let found = self.tokens.next_if(|token| token.kind == *kind);
        found.map(drop).ok_or_else(|| unreadable(self.text))
    }
}

fn unreadable(text: &str) -> ApiError {
    ApiError::log_filter(format!("Invalid filter '{text}'"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_filter_takes_the_events_it_says() {
        let event = json!({
            "eventType": "user.session.start", "severity": "INFO", "outcome": {"result": "SUCCESS", "reason": null},
            "actor": {"id": "00u1"}, "target": [{"id": "a", "type": "User"}, {"id": "b", "type": "App"}],
            "securityContext": {"asNumber": 7018, "isProxy": false},
            "debugContext": {"debugData": {"url": "/x"}},
        });
        let cases = [
            (r#"eventType eq "user.session.start""#, true),
            (r#"eventType EQ "user.session.start""#, true),
            (r#"eventType eq "User.Session.Start""#, false),
            (r#"eventType sw "user." and eventType ew ".start""#, true),
            (r#"eventType co "session" and severity eq "WARN""#, false),
            (r#"severity eq "WARN" or target.id eq "b""#, true),
            (r#"target.id eq "c""#, false),
            (r#"target.id ne "c""#, true),
            (r#"not (target.type eq "User")"#, false),
            (
                r#"severity eq "WARN" and severity eq "WARN" or actor.id pr"#,
                true,
            ),
            (
                r#"severity eq "WARN" and (severity eq "WARN" or actor.id pr)"#,
                false,
            ),
            ("outcome.reason pr", false),
            ("outcome.result pr", true),
            ("securityContext.asNumber gt 7000", true),
            ("securityContext.asNumber le 7000", false),
            ("securityContext.isProxy eq false", true),
            (r#"debugContext.debugData.url eq "/x""#, true),
            (r#"severity ge "INFO" and severity lt "J""#, true),
        ];
        for (text, wanted) in cases {
            let filter = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!(filter.matches(&event), wanted, "{text}");
        }
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_refused_and_never_panics() {
        let deep = format!("{}severity pr{}", "(".repeat(5000), ")".repeat(5000));
        let cases = [
            "",
            "(",
            ")",
            "severity",
            "severity eq",
            "severity eq INFO",
            r#"severity eq "INFO"#,
            "severity pr severity pr",
            "not severity pr",
            r#"target[id eq "a"]"#,
            "and",
            "severity pr and",
            &deep,
            r#"eventtype eq "x""#,
            "published pr",
        ];
        for text in cases {
            assert_eq!(parse(text).unwrap_err().code, "E0000053", "{text}");
        }
    }
}
