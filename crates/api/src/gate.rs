//! How often a tenant may have hosts of its choice called: a few tests at once and some a minute, so that
//! tests of credentials are no port scanner. Counted in this process; a restart forgets it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::ids::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Tests of one tenant at the same time.
const AT_ONCE: usize = 3;
/// Tests of one tenant in a minute.
const A_MINUTE: u32 = 30;

const MINUTE: Duration = Duration::from_mins(1);

/// Lets tests in, tenant by tenant.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    tenants: Mutex<HashMap<TenantId, Counted>>,
}

/// The right to run one test; gives its place back when dropped.
#[derive(Debug)]
pub(crate) struct Pass {
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Counted {
    begun: Instant,
    count: u32,
    places: Arc<Semaphore>,
}

impl Gate {
    /// Lets a test in, or says how long to wait.
    pub(crate) fn enter(&self, tenant: TenantId) -> Result<Pass, Duration> {
        self.enter_at(tenant, Instant::now())
    }

    fn enter_at(&self, tenant: TenantId, now: Instant) -> Result<Pass, Duration> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = tenants.entry(tenant).or_insert_with(|| Counted {
            begun: now,
            count: 0,
            places: Arc::new(Semaphore::new(AT_ONCE)),
        });
        let spent = now.duration_since(counted.begun);
        if spent >= MINUTE {
            (counted.begun, counted.count) = (now, 0);
        } else if counted.count >= A_MINUTE {
            return Err(MINUTE.saturating_sub(spent));
        }
        let place = Arc::clone(&counted.places).try_acquire_owned();
        let place = place.map_err(|_| Duration::from_secs(1))?;
        counted.count += 1;
        Ok(Pass { _place: place })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_tenant_has_a_few_tests_at_once_and_some_a_minute() {
        let gate = Gate::default();
        let (one, other) = (TenantId(Uuid::from_u128(1)), TenantId(Uuid::from_u128(2)));
        let begin = Instant::now();
        let enter = |tenant, second| gate.enter_at(tenant, begin + Duration::from_secs(second));
        let running: Vec<Pass> = (0..AT_ONCE).map(|_| enter(one, 0).unwrap()).collect();
        assert_eq!(enter(one, 0).unwrap_err(), Duration::from_secs(1));
        assert!(enter(other, 0).is_ok(), "tenants do not share");
        drop(running);

        for _ in AT_ONCE..usize::try_from(A_MINUTE).unwrap() {
            enter(one, 1).unwrap();
        }
        assert_eq!(enter(one, 20).unwrap_err(), Duration::from_secs(40));
        assert!(enter(one, 60).is_ok());
    }
}
