//! The `q` parameter: words that all must stand in an event.

use serde_json::Value;

use crate::errors::ApiError;

const MOST: usize = 10;
const LONGEST: usize = 40;

/// The words, in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keywords(Vec<String>);

impl Keywords {
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        if words.iter().any(|word| word.chars().count() > LONGEST) {
            return Err(ApiError::log_validation(
                "Api validation failed: 'q': Freeform search cannot contain items longer than 40 characters. \
                 Please shorten the items in your search or use an advanced filter to query by specific fields.",
            ));
        }
        if words.len() > MOST {
            return Err(ApiError::log_validation(
                "Api validation failed: 'q': Freeform search cannot contain more than 10 items.",
            ));
        }
        Ok(Self(words))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether each word is a whole word of some value; of values with hyphens also each part is one.
    pub(crate) fn matches(&self, event: &Value) -> bool {
        self.0.iter().all(|word| stands(event, word))
    }
}

fn stands(value: &Value, word: &str) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => word == value.to_string(),
        Value::Number(value) => word == value.to_string(),
        Value::Array(items) => items.iter().any(|item| stands(item, word)),
        Value::Object(members) => members.values().any(|member| stands(member, word)),
        Value::String(text) => text
            .to_lowercase()
            .split_whitespace()
            .any(|own| own == word || own.split('-').any(|part| part == word)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_words_must_stand_whole_whatever_their_case() {
        let event = json!({"a": "San Francisco", "b": [{"c": "Add-User-Group"}], "n": 7018});
        for (text, wanted) in [
            ("san francisco", true),
            ("SAN", true),
            ("fran", false),
            ("user", true),
            ("add-user-group", true),
            ("san user 7018", true),
            ("san oakland", false),
        ] {
            assert_eq!(
                Keywords::parse(text).unwrap().matches(&event),
                wanted,
                "{text}"
            );
        }
    }
}
