//! Who may read: SSWS tokens and what can become of them.
//!
//! A token lives 30 days from its last use (the simulator's clock decides). Access tokens of service
//! apps are the business of [`crate::oauth`].

use chrono::TimeDelta;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};

use crate::errors::ApiError;
use crate::oauth::AppIndex;
use crate::rng::Rng;

/// Days without use after which a token is gone.
const IDLE: TimeDelta = TimeDelta::days(30);

/// What has become of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// May read the log.
    Valid,
    /// Revoked: 401 E0000011.
    Revoked,
    /// Its owner was deactivated: 401 E0000011.
    OwnerDeactivated,
    /// Its owner has no role that may read the log: 403 E0000006.
    NoRole,
    /// It is used from outside its network zones: 403 E0000006 (what real orgs answer is not known).
    OutsideZone,
}

/// How a request said who it is. The secret itself is never kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorizationKind {
    /// No `Authorization` header.
    Absent,
    /// `SSWS token`.
    Ssws,
    /// `SSWStoken`, as Okta's Python SDK sends it.
    SswsWithoutSpace,
    /// `Bearer token`.
    Bearer,
    /// `DPoP token`.
    Dpop,
    /// Anything else.
    Other,
}

/// The org has no such token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the org has no such token")]
pub struct UnknownToken;

/// The org has neither a token nor an app of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the org has neither a token nor an app of this name")]
pub struct UnknownPrincipal;

/// The credential of one request.
pub(crate) struct Authorization {
    pub(crate) kind: AuthorizationKind,
    secret: String,
}

impl Authorization {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(AUTHORIZATION) else {
            return Self {
                kind: AuthorizationKind::Absent,
                secret: String::new(),
            };
        };
        let value = String::from_utf8_lossy(value.as_bytes());
        let schemes = [
            ("SSWS ", AuthorizationKind::Ssws),
            ("SSWS", AuthorizationKind::SswsWithoutSpace),
            ("Bearer ", AuthorizationKind::Bearer),
            ("DPoP ", AuthorizationKind::Dpop),
        ];
        let known = schemes
            .into_iter()
            .find_map(|(scheme, kind)| value.strip_prefix(scheme).map(|secret| (kind, secret)));
        let (kind, secret) = known.unwrap_or((AuthorizationKind::Other, ""));
        Self {
            kind,
            secret: secret.trim().to_owned(),
        }
    }

    pub(crate) fn is_present(&self) -> bool {
        self.kind != AuthorizationKind::Absent
    }

    pub(crate) fn secret(&self) -> &str {
        &self.secret
    }
}

/// A token's place among the org's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TokenIndex(usize);

/// Who asks: what rate limits are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Principal {
    Token(TokenIndex),
    App(AppIndex),
}

#[derive(Default)]
pub(crate) struct Tokens(Vec<Token>);

struct Token {
    /// As Okta's API names it, `00T` and 17 characters; the secret does not follow from it.
    id: String,
    secret: String,
    state: TokenState,
    created_ms: i64,
    used_ms: i64,
}

/// A token as the org's admins see it.
pub(crate) struct TokenView<'a> {
    pub(crate) id: &'a str,
    /// From 1.
    pub(crate) number: usize,
    pub(crate) created_ms: i64,
    pub(crate) used_ms: i64,
    pub(crate) expires_ms: i64,
    pub(crate) outside_zone: bool,
}

impl Tokens {
    /// Adds a token, or makes a known one valid again.
    pub(crate) fn add(&mut self, secret: &str, now_ms: i64) {
        if self.set_state(secret, TokenState::Valid, now_ms).is_err() {
            let state = TokenState::Valid;
            let seed = self.0.len() as u64;
            self.0.push(Token {
                id: Rng::new(seed).id("00T", 20),
                secret: secret.to_owned(),
                state,
                created_ms: now_ms,
                used_ms: now_ms,
            });
        }
    }

    pub(crate) fn find(&self, secret: &str) -> Option<TokenIndex> {
        let at = self.0.iter().position(|token| token.secret == secret)?;
        Some(TokenIndex(at))
    }

    pub(crate) fn id(&self, index: TokenIndex) -> Option<&str> {
        self.0.get(index.0).map(|token| token.id.as_str())
    }

    /// The tokens that are not gone.
    pub(crate) fn views(&self) -> impl Iterator<Item = TokenView<'_>> {
        let gone = |state| matches!(state, TokenState::Revoked | TokenState::OwnerDeactivated);
        let tokens = self.0.iter().enumerate();
        tokens
            .filter(move |(_, token)| !gone(token.state))
            .map(|(at, token)| TokenView {
                id: &token.id,
                number: at + 1,
                created_ms: token.created_ms,
                used_ms: token.used_ms,
                expires_ms: token.used_ms.saturating_add(IDLE.num_milliseconds()),
                outside_zone: token.state == TokenState::OutsideZone,
            })
    }

    pub(crate) fn set(&mut self, index: TokenIndex, state: TokenState) {
        if let Some(token) = self.0.get_mut(index.0) {
            token.state = state;
        }
    }

    pub(crate) fn set_state(
        &mut self,
        secret: &str,
        state: TokenState,
        now_ms: i64,
    ) -> Result<(), UnknownToken> {
        let token = self
            .0
            .iter_mut()
            .find(|token| token.secret == secret)
            .ok_or(UnknownToken)?;
        token.state = state;
        token.used_ms = now_ms;
        Ok(())
    }

    /// Lets a request in, which keeps its token alive for another 30 days, or says why not.
    pub(crate) fn admit(
        &mut self,
        given: &Authorization,
        now_ms: i64,
    ) -> Result<TokenIndex, ApiError> {
        match given.kind {
            AuthorizationKind::Absent => return Err(ApiError::invalid_session()),
            AuthorizationKind::Ssws | AuthorizationKind::SswsWithoutSpace => {}
            _ => return Err(ApiError::invalid_token()),
        }
        let mut tokens = self.0.iter_mut().enumerate();
        let (index, token) = tokens
            .find(|(_, token)| token.secret == given.secret)
            .ok_or_else(ApiError::invalid_token)?;
        let idle_ms = now_ms.saturating_sub(token.used_ms);
        match token.state {
            TokenState::Valid if idle_ms >= IDLE.num_milliseconds() => {
                return Err(ApiError::invalid_token());
            }
            TokenState::Revoked | TokenState::OwnerDeactivated => {
                return Err(ApiError::invalid_token());
            }
            TokenState::NoRole | TokenState::OutsideZone => return Err(ApiError::no_permission()),
            TokenState::Valid => {}
        }
        token.used_ms = now_ms;
        Ok(TokenIndex(index))
    }
}
