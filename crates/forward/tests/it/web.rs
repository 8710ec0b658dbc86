//! Destinations that are reached over HTTP, as the registry opens them.

use std::sync::{Arc, LazyLock};

use forward::{Batch, Destination, Destinations as _, Events, Progress, Reach, Registry, Report};
use forward::{FieldError, OpenError, Settings};
use serde_json::Value;

/// One that reaches public hosts only, for tests of settings; making one takes time.
pub(crate) static PUBLIC_ONLY: LazyLock<Registry> = LazyLock::new(|| registry(""));

/// Hosts that tests may reach although they are not public.
const ALLOW: &str = "127.0.0.0/8";

pub(crate) fn registry(allow: &str) -> Registry {
    let reach = Reach {
        allow_hosts: allow.parse().unwrap(),
        ..Reach::default()
    };
    Registry::new(reach).unwrap()
}

/// A destination with these settings, stored and read back as they would be.
pub(crate) fn open(kind: &str, settings: &Value) -> Arc<dyn Destination> {
    open_with(&registry(ALLOW), kind, settings)
}

pub(crate) fn open_with(registry: &Registry, kind: &str, settings: &Value) -> Arc<dyn Destination> {
    let checked = registry.check(kind, &given(settings)).unwrap();
    let stored = Settings::stored(&checked.config, checked.secrets.as_ref());
    registry.open(kind, &stored).unwrap()
}

pub(crate) fn given(settings: &Value) -> Settings {
    Settings::given(settings.as_object().unwrap().clone())
}

/// What is wrong with settings: pointer and word of each error.
pub(crate) fn wrong(kind: &str, settings: &Value) -> Vec<(String, &'static str)> {
    let told = errors(kind, settings).into_iter();
    told.map(|error| (error.pointer, error.code)).collect()
}

pub(crate) fn errors(kind: &str, settings: &Value) -> Vec<FieldError> {
    match PUBLIC_ONLY.check(kind, &given(settings)) {
        Ok(_) => Vec::new(),
        Err(OpenError::Settings(errors)) => errors,
        Err(other) => panic!("{other}"),
    }
}

/// Delivers lines as one batch.
pub(crate) async fn deliver(to: &Arc<dyn Destination>, lines: impl Into<Vec<u8>>) -> Report {
    deliver_events(to, Events::from_lines(lines.into())).await
}

pub(crate) async fn deliver_events(to: &Arc<dyn Destination>, events: Events) -> Report {
    let batch = Batch {
        key: "log-7-0-8-0-raw".to_owned(),
        events,
    };
    to.deliver(&batch, &Progress::default()).await
}

/// So many small events, each with its number.
pub(crate) fn numbered(count: usize) -> String {
    let event = |number| format!("{{\"n\":{number}}}\n");
    (0..count).map(event).collect()
}
