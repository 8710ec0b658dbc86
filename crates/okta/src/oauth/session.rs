//! What the client remembers of a service app: its access token, Okta's clock, the nonces it asked for.
//!
//! In memory only, and per key and org, so nobody gets a token without the key it was given for. After a
//! crash a new token is asked for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use model::origin::Origin;
use secrecy::SecretString;
use tokio::time::Instant;

use super::ServiceApp;
use crate::failure::Failure;

/// A token is renewed so long before it dies; one of less than ten minutes in the middle of its life.
const RENEW_BEFORE: TimeDelta = TimeDelta::minutes(5);

/// How long a token that could not be renewed is used on before that is tried again.
const RENEW_AGAIN: TimeDelta = TimeDelta::minutes(1);

/// A proof or assertion may be off by so much without being refused for it.
const TOLERANCE: TimeDelta = TimeDelta::seconds(30);

/// What nobody has asked for so long is forgotten; its token is dead by then.
const FORGET_AFTER: Duration = Duration::from_hours(2);

/// Who a session is of: the org, and the digest of client and key.
type Key = (String, [u8; 32]);

/// The sessions of a client.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    all: Mutex<HashMap<Key, (Arc<Session>, Instant)>>,
}

/// What is remembered of one app.
#[derive(Debug, Default)]
pub(crate) struct Session {
    known: Mutex<Known>,
    /// Held while a token is asked for: the others wait for its outcome. The last failure, and when.
    pub(super) flight: tokio::sync::Mutex<Option<(Instant, Box<Failure>)>>,
}

#[derive(Debug, Default)]
struct Known {
    token: Option<Arc<AccessToken>>,
    renew_at: DateTime<Utc>,
    clock: Option<Clock>,
    nonces: [Option<String>; 2],
}

/// Okta's clock as its last answer showed it. Nothing is asked of the machine's own but to tick, so it
/// may be wrong by any amount.
#[derive(Debug, Clone, Copy)]
struct Clock {
    date: DateTime<Utc>,
    heard: Instant,
}

/// Which of Okta's servers a nonce is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Authorization,
    Resource,
}

/// How an access token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Bearer,
    /// With a proof of possession.
    Dpop,
}

/// An access token.
#[derive(Debug)]
pub(super) struct AccessToken {
    pub(super) scheme: Scheme,
    pub(super) value: SecretString,
    /// By Okta's clock.
    pub(super) expires_at: DateTime<Utc>,
}

impl Sessions {
    /// The session of an app at an org.
    pub(super) fn of(&self, origin: &Origin, app: &ServiceApp) -> Arc<Session> {
        let now = Instant::now();
        let key = (origin.to_string(), app.identity);
        let mut all = lock(&self.all);
        if let Some((session, used)) = all.get_mut(&key) {
            *used = now;
            return Arc::clone(session);
        }
        all.retain(|_, (_, used)| now.duration_since(*used) < FORGET_AFTER);
        let session = Arc::<Session>::default();
        all.insert(key, (Arc::clone(&session), now));
        session
    }
}

impl Session {
    /// Okta's time; `None` before the first answer.
    pub(super) fn now(&self) -> Option<DateTime<Utc>> {
        self.known().now()
    }

    /// Takes the time of an answer. Whether what was signed with `signed` for its time was wrong.
    pub(super) fn hear(&self, date: Option<DateTime<Utc>>, signed: Option<DateTime<Utc>>) -> bool {
        let Some(date) = date else {
            return false;
        };
        let heard = Instant::now();
        self.known().clock = Some(Clock { date, heard });
        signed.is_some_and(|signed| (date - signed).abs() > TOLERANCE)
    }

    /// The nonce that a server wants to see in proofs.
    pub(super) fn nonce(&self, server: Server) -> Option<String> {
        self.known().nonces.get(server as usize)?.clone()
    }

    /// Takes a nonce for the next proof. Whether it is another one than `used`.
    pub(super) fn take_nonce(
        &self,
        server: Server,
        nonce: Option<String>,
        used: Option<&str>,
    ) -> bool {
        let Some(nonce) = nonce else {
            return false;
        };
        let other = used != Some(nonce.as_str());
        if let Some(kept) = self.known().nonces.get_mut(server as usize) {
            *kept = Some(nonce);
        }
        other
    }

    /// The token, unless it is time to renew it.
    pub(super) fn fresh_token(&self) -> Option<Arc<AccessToken>> {
        let known = self.known();
        let token = known.token.as_ref()?;
        (known.now()? < known.renew_at).then(|| Arc::clone(token))
    }

    /// The token, if it lives, although it could not be renewed; not renewed for a while then.
    pub(super) fn living_token(&self) -> Option<Arc<AccessToken>> {
        let mut known = self.known();
        let now = known.now()?;
        let token = known.token.clone().filter(|token| now < token.expires_at)?;
        known.renew_at = now + RENEW_AGAIN;
        Some(token)
    }

    /// Keeps a token that was given out just now.
    pub(super) fn keep(&self, token: AccessToken) -> Arc<AccessToken> {
        let mut known = self.known();
        let life = known
            .now()
            .map_or(TimeDelta::zero(), |now| token.expires_at - now);
        known.renew_at = token.expires_at - RENEW_BEFORE.min(life / 2);
        let token = Arc::new(token);
        known.token = Some(Arc::clone(&token));
        token
    }

    /// Forgets a token that was refused, unless another one has come since.
    pub(super) fn drop_token(&self, refused: &Arc<AccessToken>) {
        let mut known = self.known();
        if known
            .token
            .as_ref()
            .is_some_and(|token| Arc::ptr_eq(token, refused))
        {
            known.token = None;
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

impl Known {
    fn now(&self) -> Option<DateTime<Utc>> {
        let Clock { date, heard } = self.clock?;
        date.checked_add_signed(TimeDelta::from_std(heard.elapsed()).ok()?)
    }
}

/// Nothing panics while it is held; if it did, what is known would still be whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
