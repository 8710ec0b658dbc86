//! When a credential is to be asked about by its own job. Pure; time is an argument.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use model::credential::{CredentialKind, CredentialState};
use store::Credential;

/// A token that nobody has used for this long is used by its job; Okta lets it die after 30 days.
const UNUSED: TimeDelta = TimeDelta::days(7);
/// By so much the tokens of one day are spread.
const SPREAD: TimeDelta = TimeDelta::days(1);
/// A new secret that no source has tried by then is tried by its job.
const FIRST_TRY: TimeDelta = TimeDelta::minutes(10);
/// A service app does not die of idleness; its job only looks in.
const LOOK: Duration = Duration::from_hours(30 * 24);

/// Until the job of a credential asks Okta about it; zero: now. `None`: there is nothing to ask.
pub(super) fn asks_in(
    credential: &Credential,
    now: DateTime<Utc>,
    probe: Duration,
) -> Option<Duration> {
    let at = match credential.state() {
        CredentialState::Unverified => credential.secret_set_at + FIRST_TRY,
        CredentialState::Rejected | CredentialState::Expired => {
            let refused = credential.refused_at.unwrap_or(credential.state_at);
            refused + TimeDelta::from_std(probe).unwrap_or(TimeDelta::MAX)
        }
        CredentialState::Valid | CredentialState::Expiring => {
            if credential.kind() == CredentialKind::OAuth {
                return None;
            }
            credential.last_used_at.unwrap_or(credential.secret_set_at)
                + UNUSED
                + spread(credential)
        }
    };
    Some((at - now).to_std().unwrap_or_default())
}

/// The same, as the wait before the next run.
pub(super) fn next_run(credential: &Credential, now: DateTime<Utc>, probe: Duration) -> Duration {
    asks_in(credential, now, probe).unwrap_or(LOOK)
}

/// The same for one credential each time.
fn spread(credential: &Credential) -> TimeDelta {
    // The low half of a UUIDv7 is random.
    let (_, low) = credential.id.as_u64_pair();
    let part = i64::try_from(low % 1000).unwrap_or(0);
    SPREAD * i32::try_from(part).unwrap_or(0) / 1000
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const PROBE: Duration = Duration::from_mins(15);

    fn credential(kind: &str, state: CredentialState, now: DateTime<Utc>) -> Credential {
        Credential {
            tenant_id: Uuid::nil(),
            id: Uuid::from_u128(500),
            name: String::new(),
            kind: kind.to_owned(),
            origin: String::new(),
            secret_version: 1,
            secret_set_at: now,
            fingerprint: Vec::new(),
            org_id: None,
            state: state.as_str().to_owned(),
            trouble: None,
            trouble_detail: None,
            state_at: now,
            last_used_at: Some(now),
            version: 1,
            created_at: now,
            updated_at: now,
            client_id: None,
            key_id: None,
            algorithm: None,
            expires_at: None,
            warned_days: None,
            refused_at: Some(now),
        }
    }

    #[test]
    fn each_state_has_its_own_distance() {
        use CredentialState::{Expired, Expiring, Rejected, Unverified, Valid};

        let now: DateTime<Utc> = "2026-06-01T12:00:00Z".parse().unwrap();
        let asks = |kind, state, later| {
            asks_in(&credential(kind, state, now), now + later, PROBE).map(|wait| wait.as_secs())
        };
        let at_once = TimeDelta::zero();
        assert_eq!(asks("ssws", Unverified, at_once), Some(600));
        assert_eq!(asks("oauth", Unverified, at_once), Some(600));
        for state in [Rejected, Expired] {
            assert_eq!(asks("ssws", state, at_once), Some(900));
            assert_eq!(asks("ssws", state, TimeDelta::minutes(20)), Some(0));
        }
        for state in [Valid, Expiring] {
            // A week and the half of a day that is this credential's own.
            assert_eq!(asks("ssws", state, at_once), Some(648_000));
            assert_eq!(asks("ssws", state, TimeDelta::days(8)), Some(0));
            assert_eq!(asks("oauth", state, TimeDelta::days(60)), None);
        }
    }
}
