//! The forms in which a route may deliver its events, one file each.

pub(crate) mod envelope;
mod raw;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Events;

/// How events are rendered before a destination gets them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Byte for byte as Okta sent them.
    #[default]
    Raw,
    /// The same bytes inside an object that says where they come from.
    Envelope,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Raw, Self::Envelope];

    /// The format of a word; `None` if there is no such format.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Envelope => "envelope",
        }
    }

    /// This format with the facts of a source, as a delivery batch is rendered from now on.
    pub fn with(self, facts: Facts) -> Rendering {
        match self {
            Self::Raw => Rendering::Raw,
            Self::Envelope => Rendering::Envelope(facts),
        }
    }
}

/// What is told of a source beside its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Id of the source.
    pub source_id: Uuid,
    /// Its display name.
    pub source: String,
    /// The host of its Okta org.
    pub org: String,
    /// Its IANA timezone.
    pub timezone: String,
}

/// Where an event is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its log.
    pub log_id: Uuid,
    /// Its batch in the log.
    pub batch: i64,
    /// When that batch was stored.
    pub collected_at: DateTime<Utc>,
}

/// A format with all that its bytes depend on besides the events. Written down before the first attempt
/// of a delivery batch, so that an edit in between changes no byte of a retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rendering {
    /// See [`Format::Raw`].
    Raw,
    /// See [`Format::Envelope`].
    Envelope(Facts),
}

impl Rendering {
    /// As it is written down.
    pub fn to_text(&self) -> String {
        match self {
            Self::Raw => Format::Raw.as_str().to_owned(),
            Self::Envelope(facts) => {
                let facts = serde_json::to_string(facts).unwrap_or_default();
                format!("{} {facts}", Format::Envelope.as_str())
            }
        }
    }

    /// As it was written down; `None` if another version wrote it.
    pub fn from_text(text: &str) -> Option<Self> {
        let (word, facts) = text.split_once(' ').unwrap_or((text, ""));
        Some(match Format::from_word(word)? {
            Format::Raw => Self::Raw,
            Format::Envelope => Self::Envelope(serde_json::from_str(facts).ok()?),
        })
    }

    /// The events in this form: as many, in the same order. `stamps` has one for each.
    pub fn render(&self, events: &Events, stamps: impl Iterator<Item = Stamp>) -> Events {
        match self {
            Self::Raw => raw::render(events),
            Self::Envelope(facts) => envelope::render(facts, events, stamps),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        for format in Format::ALL {
            assert_eq!(Format::from_word(format.as_str()), Some(format));
        }
        assert_eq!(Format::from_word("Raw"), None);
    }

    #[test]
    fn what_is_written_down_reads_back() {
        let facts = Facts {
            source_id: Uuid::from_u128(7),
            source: "Acme \"one\" \u{1F600}".to_owned(),
            org: "acme.okta.com".to_owned(),
            timezone: "Europe/Berlin".to_owned(),
        };
        for format in Format::ALL {
            let rendering = format.with(facts.clone());
            assert_eq!(Rendering::from_text(&rendering.to_text()), Some(rendering));
        }
        assert_eq!(Rendering::from_text("envelope"), None);
        assert_eq!(Rendering::from_text("ocsf {}"), None);
    }
}
