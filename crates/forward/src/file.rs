//! Files of one event a line (NDJSON) below one root folder.
//!
//! Settings: `{ "path": "okta/acme.ndjson" }`. A batch is settled when its lines are on the disk
//! (`fdatasync`). Writers of one file, also in other processes, take turns under an advisory lock, so
//! batches never mix. A writer killed in mid-append leaves whole lines and at most one torn one, which
//! the next delivery cuts before it appends; the batch then comes again, so its whole lines repeat.

mod append;
mod fault;
mod path;
mod root;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use model::status::Trouble;
use serde_json::json;
use tokio::sync::oneshot;

use crate::settings::{Parsed, Reader};
use crate::{
    Batch, Check, Checked, Destination, Events, FieldError, Limits, Progress, Proof, Refusal,
    Report, Settings, Then, Verdict,
};
use path::RelativePath;
use root::Place;

/// One sync costs milliseconds, so a batch is large; it is in memory once.
const LIMITS: Limits = Limits {
    max_events: 10_000,
    max_bytes: 4 << 20,
};

/// An NDJSON file that events are appended to.
///
/// The file is opened anew for every batch: a handful of system calls beside a sync, and a file that an
/// operator moved away is simply made again.
#[derive(Debug)]
pub struct FileDestination {
    place: Arc<Place>,
}

impl FileDestination {
    /// The word of this kind.
    pub const KIND: &str = "file";

    /// Its lines are on the disk.
    pub const PROOF: Proof = Proof::Stored;

    /// A destination of these settings below `root`. Does not touch the disk.
    ///
    /// # Errors
    /// Everything that is wrong with the settings; without a root, that alone.
    pub fn new(root: Option<&Path>, settings: &Settings) -> Result<Self, Vec<FieldError>> {
        let root = root.ok_or_else(|| {
            vec![FieldError::whole(
                "switched_off",
                "file destinations are switched off; set COLLECTOR_FILE_ROOT",
            )]
        })?;
        let place = Place {
            root: root.to_owned(),
            path: parse(settings)?,
        };
        Ok(Self {
            place: Arc::new(place),
        })
    }

    /// The settings as they should be stored.
    pub fn checked(&self) -> Checked {
        Checked {
            config: json!({ "path": self.place.path.as_str() }),
            secrets: None,
            target: None,
        }
    }

    /// Appends on a thread of its own. If the future is dropped, a batch not begun is left alone and one
    /// begun is finished.
    async fn append(&self, events: &Events) -> Result<Vec<Refusal>, Then> {
        let (answer, appended) = oneshot::channel();
        let place = Arc::clone(&self.place);
        let events = events.clone();
        tokio::task::spawn_blocking(move || {
            let appended = append::append(&place, &events, || answer.is_closed());
            // Nobody listens any more if the delivery was given up.
            answer.send(appended.map_err(Then::from)).ok();
        });
        appended.await.unwrap_or_else(|_| {
            Err(Then::Retry {
                after: None,
                trouble: Trouble::DestinationUnavailable,
                detail: "the program is ending".to_owned(),
            })
        })
    }
}

#[async_trait]
impl Destination for FileDestination {
    fn limits(&self) -> Limits {
        LIMITS
    }

    async fn deliver(&self, batch: &Batch, _progress: &Progress) -> Report {
        match self.append(&batch.events).await {
            Ok(refused) => Report {
                refused,
                ..Report::all(batch.events.len())
            },
            Err(then) => Report::none(then),
        }
    }

    /// Opens the file as a delivery would, and appends nothing.
    async fn test(&self, _nonce: &str, _now: DateTime<Utc>) -> Vec<Check> {
        let (verdict, detail) = match self.append(&Events::default()).await {
            Ok(_) => (Verdict::Passed, "the file can be appended to".to_owned()),
            Err(Then::Retry { detail, .. }) => (Verdict::Failed("unavailable"), detail),
            Err(Then::Stop { detail, .. }) => (Verdict::Failed("not_writable"), detail),
            Err(Then::Continue | Then::Split) => (Verdict::Skipped, "not tried".to_owned()),
        };
        vec![Check {
            name: "append",
            verdict,
            detail,
        }]
    }
}

fn parse(settings: &Settings) -> Parsed<RelativePath> {
    let mut reader = Reader::new("a file", settings);
    let path = reader.required("path").map(RelativePath::parse);
    if let Some(Err(error)) = &path {
        reader.error("path", "invalid_path", error.to_string());
    }
    reader.finish(|| path?.ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(fields: &serde_json::Value) -> Settings {
        Settings::stored(fields, None)
    }

    fn errors(fields: &serde_json::Value) -> Vec<(String, &'static str)> {
        FileDestination::new(Some(Path::new("root")), &settings(fields))
            .unwrap_err()
            .into_iter()
            .map(|error| (error.pointer, error.code))
            .collect()
    }

    fn error(pointer: &str, code: &'static str) -> (String, &'static str) {
        (pointer.to_owned(), code)
    }

    #[test]
    fn every_wrong_setting_is_named() {
        assert_eq!(errors(&json!({})), [error("/path", "required")]);
        assert_eq!(errors(&json!({"path": 7})), [error("/path", "wrong_type")]);
        assert_eq!(
            errors(&json!({"path": "../x", "mode": 1})),
            [
                error("/path", "invalid_path"),
                error("/mode", "unknown_field")
            ]
        );
        assert_eq!(
            errors(&json!({"path": "x", "mode": 1})),
            [error("/mode", "unknown_field")]
        );
    }

    #[test]
    fn without_a_root_files_are_switched_off() {
        let errors = FileDestination::new(None, &settings(&json!({"path": "x"}))).unwrap_err();
        assert_eq!(
            errors[0].detail,
            "file destinations are switched off; set COLLECTOR_FILE_ROOT"
        );
        assert_eq!(errors.len(), 1);
    }
}
