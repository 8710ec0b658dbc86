//! Makes destinations of their stored settings.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use model::net::AllowHosts;

use crate::http::Http;
use crate::{
    Checked, Destination, FieldError, FileDestination, InsightOpsDestination, Proof, Settings,
    WebhookDestination,
};

/// Why stored settings make no destination here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No destination of this kind is known; a newer version may have stored it.
    #[error("there is no kind of destination called {0:?}")]
    UnknownKind(String),
    /// The settings are wrong, or not allowed on this machine.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Settings(Vec<FieldError>),
}

/// Makes destinations of stored settings.
pub trait Destinations: Send + Sync + fmt::Debug {
    /// The destination of a kind with these settings. Touches neither disk nor network.
    ///
    /// # Errors
    /// As [`OpenError`] says; the same settings may open on a machine that is set up otherwise.
    fn open(&self, kind: &str, settings: &Settings) -> Result<Arc<dyn Destination>, OpenError>;

    /// The settings as they should be stored.
    ///
    /// # Errors
    /// Everything that is wrong with them, field by field.
    fn check(&self, kind: &str, settings: &Settings) -> Result<Checked, OpenError>;

    /// What "delivered" proves at this kind of destination; `None` if the kind is not known.
    fn proof(&self, kind: &str) -> Option<Proof>;
}

/// What destinations may reach on this machine and beyond.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Files are written below this folder only; without one there are no file destinations.
    pub file_root: Option<PathBuf>,
    /// Hosts that may be used although they are not https or not public.
    pub allow_hosts: AllowHosts,
}

/// The HTTP client cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error(
    "the HTTP client for destinations cannot be set up, are the system's CA certificates installed?"
)]
pub struct SetupError(#[source] reqwest::Error);

/// The kinds of destination that this program knows.
#[derive(Debug)]
pub struct Registry {
    reach: Reach,
    http: Http,
}

impl Registry {
    /// All kinds, with one HTTP client among them.
    ///
    /// # Errors
    /// If the machine has no CA certificates.
    pub fn new(reach: Reach) -> Result<Self, SetupError> {
        let http = Http::new(reach.allow_hosts.clone()).map_err(SetupError)?;
        Ok(Self { reach, http })
    }

    /// Does with a kind and its settings what every use of them begins with.
    fn parse(&self, kind: &str, settings: &Settings) -> Result<Kind, OpenError> {
        let parsed = match kind {
            FileDestination::KIND => {
                FileDestination::new(self.reach.file_root.as_deref(), settings)
                    .map(|it| Kind::File(it.into()))
            }
            InsightOpsDestination::KIND => InsightOpsDestination::new(self.http.clone(), settings)
                .map(|it| Kind::InsightOps(it.into())),
            WebhookDestination::KIND => WebhookDestination::new(self.http.clone(), settings)
                .map(|it| Kind::Webhook(it.into())),
            _ => return Err(OpenError::UnknownKind(kind.to_owned())),
        };
        parsed.map_err(OpenError::Settings)
    }
}

/// One of the kinds, its settings understood.
enum Kind {
    File(Arc<FileDestination>),
    InsightOps(Arc<InsightOpsDestination>),
    Webhook(Arc<WebhookDestination>),
}

impl Destinations for Registry {
    fn open(&self, kind: &str, settings: &Settings) -> Result<Arc<dyn Destination>, OpenError> {
        Ok(match self.parse(kind, settings)? {
            Kind::File(file) => file,
            Kind::InsightOps(insightops) => insightops,
            Kind::Webhook(webhook) => webhook,
        })
    }

    fn check(&self, kind: &str, settings: &Settings) -> Result<Checked, OpenError> {
        Ok(match self.parse(kind, settings)? {
            Kind::File(file) => file.checked(),
            Kind::InsightOps(insightops) => insightops.checked(),
            Kind::Webhook(webhook) => webhook.checked(),
        })
    }

    fn proof(&self, kind: &str) -> Option<Proof> {
        match kind {
            FileDestination::KIND => Some(FileDestination::PROOF),
            InsightOpsDestination::KIND => Some(InsightOpsDestination::PROOF),
            WebhookDestination::KIND => Some(WebhookDestination::PROOF),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_kind_is_refused() {
        let registry = Registry::new(Reach::default()).unwrap();
        let error = registry.open("pigeon", &Settings::default()).unwrap_err();
        assert_eq!(error, OpenError::UnknownKind("pigeon".to_owned()));
        assert_eq!(
            error.to_string(),
            "there is no kind of destination called \"pigeon\""
        );
        assert_eq!(registry.proof("pigeon"), None);
    }
}
