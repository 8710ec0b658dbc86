//! The shape of a `LogEvent`, field by field in the order real orgs write them.

#![expect(clippy::struct_field_names, reason = "the names are Okta's")]

use serde::{Serialize, Serializer};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogEvent {
    pub(crate) actor: Actor,
    pub(crate) client: Client,
    pub(crate) device: Option<Device>,
    pub(crate) authentication_context: AuthenticationContext,
    pub(crate) display_message: &'static str,
    pub(crate) event_type: &'static str,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) published: String,
    pub(crate) security_context: SecurityContext,
    pub(crate) severity: &'static str,
    pub(crate) debug_context: Field,
    pub(crate) legacy_event_type: Option<&'static str>,
    pub(crate) transaction: Transaction,
    pub(crate) uuid: String,
    pub(crate) version: &'static str,
    pub(crate) request: Request,
    pub(crate) target: Option<Vec<Target>>,
    /// A field no documentation knows: real orgs add such without notice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signal_context: Option<Field>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Actor {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) alternate_id: String,
    pub(crate) display_name: String,
    pub(crate) detail_entry: Option<Field>,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Client {
    pub(crate) user_agent: Option<UserAgent>,
    /// Often the text `null` and not the value.
    pub(crate) zone: Option<&'static str>,
    pub(crate) device: Option<&'static str>,
    pub(crate) id: Option<String>,
    pub(crate) ip_address: Option<String>,
    pub(crate) geographical_context: Option<Place>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserAgent {
    pub(crate) raw_user_agent: &'static str,
    pub(crate) os: &'static str,
    pub(crate) browser: &'static str,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    pub(crate) city: &'static str,
    pub(crate) state: Option<&'static str>,
    pub(crate) country: &'static str,
    pub(crate) postal_code: Option<&'static str>,
    pub(crate) geolocation: Geolocation,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Geolocation {
    pub(crate) lat: f64,
    pub(crate) lon: f64,
}

/// The one part written in snake case.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) name: &'static str,
    pub(crate) os_platform: &'static str,
    pub(crate) os_version: &'static str,
    pub(crate) managed: bool,
    pub(crate) registered: bool,
    pub(crate) device_integrator: Option<Field>,
    pub(crate) disk_encryption_type: &'static str,
    pub(crate) screen_lock_type: &'static str,
    pub(crate) jailbreak: Option<bool>,
    pub(crate) secure_hardware_present: bool,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthenticationContext {
    pub(crate) authentication_provider: Option<&'static str>,
    pub(crate) credential_provider: Option<&'static str>,
    pub(crate) credential_type: Option<&'static str>,
    pub(crate) issuer: Option<Field>,
    pub(crate) interface: Option<&'static str>,
    pub(crate) authentication_step: u8,
    pub(crate) root_session_id: String,
    pub(crate) external_session_id: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) result: &'static str,
    pub(crate) reason: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecurityContext {
    pub(crate) as_number: Option<u32>,
    pub(crate) as_org: Option<&'static str>,
    pub(crate) isp: Option<&'static str>,
    pub(crate) domain: Option<&'static str>,
    pub(crate) is_proxy: Option<bool>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Transaction {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) id: String,
    pub(crate) detail: Field,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    pub(crate) ip_chain: Vec<Ip>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ip {
    pub(crate) ip: String,
    pub(crate) geographical_context: Option<Place>,
    pub(crate) version: &'static str,
    pub(crate) source: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Target {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) alternate_id: Option<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) detail_entry: Option<Field>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) change_details: Option<Field>,
}

/// A value of the free-form parts. Objects keep the order they are written in, whatever the JSON
/// library is built with: the same seed must give the same bytes.
#[derive(Clone, Debug)]
pub(crate) enum Field {
    Null,
    Number(f64),
    Text(String),
    Object(Vec<(&'static str, Field)>),
}

impl Serialize for Field {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Object(fields) => {
                serializer.collect_map(fields.iter().map(|(key, value)| (key, value)))
            }
        }
    }
}

pub(crate) fn text(text: impl Into<String>) -> Field {
    Field::Text(text.into())
}

pub(crate) fn object(fields: impl IntoIterator<Item = (&'static str, Field)>) -> Field {
    Field::Object(fields.into_iter().collect())
}
