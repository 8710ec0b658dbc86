//! Reads the settings of a destination: those of its kind, checked by the forward crate.

use forward::{Checked, Destinations, OpenError, Settings};
use secrecy::SecretString;
use serde_json::{Map, Value};
use store::{Destination, DestinationSettings};

use super::KINDS;
use crate::fields::Fields;

/// The settings of a destination of this kind that is to be made.
pub(super) fn read_new(
    fields: &mut Fields,
    kinds: &dyn Destinations,
    kind: Option<&'static str>,
) -> Option<DestinationSettings> {
    let Some(kind) = kind else {
        // Nobody can say which of them are right.
        for kind in KINDS {
            fields.object(kind);
        }
        return None;
    };
    refuse_others(fields, kind);
    let missing = !fields.has(kind);
    let Some(given) = fields.object(kind) else {
        if missing {
            let detail = format!("{kind} is missing: the settings of this kind");
            fields.error(kind, "required", detail);
        }
        return None;
    };
    check(fields, kinds, kind, &Settings::given(given)).map(stored)
}

/// The settings of a destination with what is to be changed about them; `None` also if nothing is.
pub(super) fn read_patch(
    fields: &mut Fields,
    kinds: &dyn Destinations,
    old: &Destination,
    secrets: Option<&SecretString>,
) -> Option<DestinationSettings> {
    refuse_others(fields, &old.kind);
    let kind = KINDS.into_iter().find(|kind| *kind == old.kind)?;
    let patch = fields.object(kind)?;
    let before = Settings::stored(&old.config, secrets);
    let after = before.clone().patched(patch.clone());
    let checked = check(fields, kinds, kind, &after)?;
    let target = |checked: Checked| checked.target;
    let before = kinds.check(kind, &before).ok().and_then(target);
    if before != checked.target {
        demand_secrets(fields, kind, &patch, secrets)?;
    }
    Some(stored(checked))
}

/// Else whoever may change an address could have stored secrets sent to a host of their choice.
fn demand_secrets(
    fields: &mut Fields,
    kind: &str,
    patch: &Map<String, Value>,
    secrets: Option<&SecretString>,
) -> Option<()> {
    let missing: Vec<String> = Settings::stored(&Value::Null, secrets)
        .names()
        .filter(|name| !patch.contains_key(*name))
        .map(str::to_owned)
        .collect();
    for name in &missing {
        let detail = format!("{name} is missing: with a new address it must be given again");
        fields.note(format!("/{kind}/{name}"), "required", detail);
    }
    missing.is_empty().then_some(())
}

/// What is wrong is noted below the field of the kind.
fn check(
    fields: &mut Fields,
    kinds: &dyn Destinations,
    kind: &str,
    settings: &Settings,
) -> Option<Checked> {
    match kinds.check(kind, settings) {
        Ok(checked) => Some(checked),
        Err(OpenError::Settings(errors)) => {
            for error in errors {
                let below = format!("/{kind}{}", error.pointer);
                fields.note(below, error.code, error.detail);
            }
            None
        }
        Err(error @ OpenError::UnknownKind(_)) => {
            fields.error("kind", "unknown_kind", error.to_string());
            None
        }
    }
}

/// Settings of other kinds mean a mistake.
fn refuse_others(fields: &mut Fields, kind: &str) {
    for other in KINDS.into_iter().filter(|other| *other != kind) {
        if fields.object(other).is_some() {
            let detail = format!("this destination is of the kind {kind:?}");
            fields.error(other, "other_kind", detail);
        }
    }
}

fn stored(checked: Checked) -> DestinationSettings {
    DestinationSettings {
        config: checked.config,
        secrets: checked.secrets,
    }
}
