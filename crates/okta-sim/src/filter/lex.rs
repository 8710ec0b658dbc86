//! The words of a filter, with where they stand.

use serde_json::Value;

/// A word and its place, in characters from 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) at: usize,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A path, an operator, a number or a constant.
    Word(String),
    Text(String),
    Open,
    Close,
}

impl Token {
    /// The value it stands for, if it is one.
    pub(crate) fn value(&self) -> Option<Value> {
        match &self.kind {
            Kind::Text(text) => Some(Value::String(text.clone())),
            Kind::Word(word) => serde_json::from_str(word).ok(),
            Kind::Open | Kind::Close => None,
        }
    }
}

/// Cuts a filter into words; `None` if a string is not closed.
pub(crate) fn lex(text: &str) -> Option<Vec<Token>> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&first) = characters.get(at) {
        let rest = characters.get(at..).unwrap_or_default();
        let (kind, length) = match first {
            _ if first.is_whitespace() => {
                at += 1;
                continue;
            }
            '(' => (Kind::Open, 1),
            ')' => (Kind::Close, 1),
            '"' => string(rest)?,
            _ => {
                let ends = |c: &char| c.is_whitespace() || "()\"".contains(*c);
                let length = rest.iter().position(ends).unwrap_or(rest.len());
                (Kind::Word(rest.iter().take(length).collect()), length)
            }
        };
        tokens.push(Token { at, kind });
        at += length;
    }
    Some(tokens)
}

/// A JSON string at the start of `rest`, and how long it is.
fn string(rest: &[char]) -> Option<(Kind, usize)> {
    let mut escaped = false;
    let end = rest.iter().skip(1).position(|&c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    })?;
    let text: String = rest.iter().take(end + 2).collect();
    Some((Kind::Text(serde_json::from_str(&text).ok()?), end + 2))
}
