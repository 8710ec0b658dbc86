//! Service apps, and what an org remembers of them.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::oauth::access::AccessToken;
use crate::oauth::dpop::Nonces;
use crate::oauth::jwk::Jwk;
use crate::oauth::keypair::KeyPair;
use crate::oauth::once::Once;

/// A service app ("API services" in Okta's console).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Its client id, `0oa` and 17 characters in Okta.
    pub client_id: String,
    /// Its public keys as JWK. One that is no usable key (RSA, EC) is passed over.
    pub keys: Vec<Value>,
    /// The scopes granted to it.
    #[serde(default = "log_scope")]
    pub scopes: Vec<String>,
    /// Whether it has an admin role that may read the log; without one the API says 403 E0000006.
    #[serde(default = "yes")]
    pub role: bool,
    /// Whether its tokens are bound to a key by DPoP.
    #[serde(default)]
    pub dpop: bool,
    /// Whether its requests come from outside its network zones; the token endpoint says 403 then.
    #[serde(default)]
    pub outside_zone: bool,
}

impl App {
    /// An app that may read the log, without DPoP.
    pub fn new(client_id: impl Into<String>, key: &KeyPair) -> Self {
        Self {
            client_id: client_id.into(),
            keys: vec![key.public_jwk()],
            scopes: log_scope(),
            role: yes(),
            dpop: false,
            outside_zone: false,
        }
    }

    /// The same with DPoP.
    pub fn with_dpop(client_id: impl Into<String>, key: &KeyPair) -> Self {
        Self {
            dpop: true,
            ..Self::new(client_id, key)
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = Jwk> {
        self.keys.iter().filter_map(Jwk::parse)
    }
}

fn log_scope() -> Vec<String> {
    vec!["okta.logs.read".to_owned()]
}

fn yes() -> bool {
    true
}

/// An app's place among the org's apps; a removed app keeps its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AppIndex(usize);

/// All of an org's OAuth.
#[derive(Debug, Default)]
pub(crate) struct OAuth {
    apps: Vec<(App, bool)>,
    pub(crate) tokens: HashMap<String, AccessToken>,
    /// `jti` of assertions.
    pub(crate) assertions: Once,
    /// `jti` of proofs.
    pub(crate) proofs: Once,
    pub(crate) nonces: Nonces,
}

impl OAuth {
    /// Adds an app, or replaces the one with its client id.
    pub(crate) fn add(&mut self, app: App) {
        let known = self
            .apps
            .iter_mut()
            .find(|(known, _)| known.client_id == app.client_id);
        match known {
            Some(known) => *known = (app, true),
            None => self.apps.push((app, true)),
        }
    }

    /// Removes an app and its tokens; `false` if there is none.
    pub(crate) fn remove(&mut self, client_id: &str) -> bool {
        let Some((index, _)) = self.find(client_id) else {
            return false;
        };
        self.tokens.retain(|_, token| token.app != index);
        if let Some((_, present)) = self.apps.get_mut(index.0) {
            *present = false;
        }
        true
    }

    pub(crate) fn find(&self, client_id: &str) -> Option<(AppIndex, &App)> {
        let mut apps = self.apps.iter().enumerate();
        let (index, (app, _)) =
            apps.find(|(_, (app, present))| *present && app.client_id == client_id)?;
        Some((AppIndex(index), app))
    }

    pub(crate) fn app(&self, index: AppIndex) -> Option<&App> {
        let (app, present) = self.apps.get(index.0)?;
        present.then_some(app)
    }
}
