//! The forms in which a route may deliver its events, one file each.

mod raw;

use crate::Events;

/// How events are rendered before a destination gets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Byte for byte as Okta sent them.
    #[default]
    Raw,
}

impl Format {
    /// The format of a word; `None` if there is no such format.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "raw" => Some(Self::Raw),
            _ => None,
        }
    }

    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
        }
    }

    /// The events in this format: as many, in the same order.
    pub fn render(self, events: &Events) -> Events {
        match self {
            Self::Raw => raw::render(events),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        assert_eq!(Format::from_word(Format::Raw.as_str()), Some(Format::Raw));
        assert_eq!(Format::from_word("Raw"), None);
    }
}
