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
use model::status::Trouble;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{Batch, Destination, FieldError, Limits, Proof, Report, Then};
use path::RelativePath;
use root::Place;

/// One sync costs milliseconds, so a batch is large; it is in memory once.
const LIMITS: Limits = Limits {
    max_events: 10_000,
    max_bytes: 8 << 20,
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

    /// A destination of these settings below `root`. Does not touch the disk.
    ///
    /// # Errors
    /// Everything that is wrong with the settings; without a root, that alone.
    pub fn new(root: Option<&Path>, config: &Value) -> Result<Self, Vec<FieldError>> {
        let root = root.ok_or_else(|| {
            vec![FieldError::whole(
                "switched_off",
                "file destinations are switched off; set COLLECTOR_FILE_ROOT",
            )]
        })?;
        let place = Place {
            root: root.to_owned(),
            path: parse(config)?,
        };
        Ok(Self {
            place: Arc::new(place),
        })
    }

    /// The settings as they should be stored.
    pub fn config(&self) -> Value {
        json!({ "path": self.place.path.as_str() })
    }
}

#[async_trait]
impl Destination for FileDestination {
    fn proof(&self) -> Proof {
        Proof::Stored
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    /// If the future is dropped, a batch not begun is left alone and one begun is finished.
    async fn deliver(&self, batch: &Batch) -> Report {
        let (answer, report) = oneshot::channel();
        let place = Arc::clone(&self.place);
        let events = batch.events.clone();
        tokio::task::spawn_blocking(move || {
            let appended = append::append(&place, &events, || answer.is_closed());
            let report = match appended {
                Ok(refused) => Report {
                    refused,
                    ..Report::all(events.len())
                },
                Err(fault) => Report::none(fault.into()),
            };
            // Nobody listens any more if the delivery was given up.
            answer.send(report).ok();
        });
        report.await.unwrap_or_else(|_| {
            Report::none(Then::Retry {
                after: None,
                trouble: Trouble::DestinationUnavailable,
                detail: "the program is ending".to_owned(),
            })
        })
    }
}

fn parse(config: &Value) -> Result<RelativePath, Vec<FieldError>> {
    let Value::Object(fields) = config else {
        let error = FieldError::whole("wrong_type", "the settings of a file must be an object");
        return Err(vec![error]);
    };
    let mut errors: Vec<_> = fields
        .keys()
        .filter(|name| *name != "path")
        .map(|name| {
            let detail = format!("a file has no setting called {name:?}");
            FieldError::field(name, "unknown_field", detail)
        })
        .collect();
    let path = match fields.get("path") {
        None => Err(("required", "path is missing".to_owned())),
        Some(Value::String(text)) => {
            RelativePath::parse(text).map_err(|error| ("invalid_path", error.to_string()))
        }
        Some(_) => Err(("wrong_type", "path must be a string".to_owned())),
    };
    match path {
        Ok(path) if errors.is_empty() => Ok(path),
        Ok(_) => Err(errors),
        Err((code, detail)) => {
            errors.push(FieldError::field("path", code, detail));
            Err(errors)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(config: &Value) -> Vec<(String, &'static str)> {
        FileDestination::new(Some(Path::new("root")), config)
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
        assert_eq!(errors(&json!([])), [error("", "wrong_type")]);
        assert_eq!(errors(&json!({"path": 7})), [error("/path", "wrong_type")]);
        assert_eq!(
            errors(&json!({"path": "../x", "mode": 1})),
            [
                error("/mode", "unknown_field"),
                error("/path", "invalid_path")
            ]
        );
        assert_eq!(
            errors(&json!({"path": "x", "mode": 1})),
            [error("/mode", "unknown_field")]
        );
    }

    #[test]
    fn without_a_root_files_are_switched_off() {
        let errors = FileDestination::new(None, &json!({"path": "x"})).unwrap_err();
        assert_eq!(
            errors[0].detail,
            "file destinations are switched off; set COLLECTOR_FILE_ROOT"
        );
        assert_eq!(errors.len(), 1);
    }
}
