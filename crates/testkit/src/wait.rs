//! Waiting for something to become true: the one way to wait in tests.

use std::fmt::Debug;
use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// What a look may return: the thing waited for, or what there is instead.
pub trait Look {
    /// The thing waited for.
    type Found;
    /// Tells one from the other; `Err` describes what was seen.
    fn found(self) -> Result<Self::Found, String>;
}

impl<T> Look for Option<T> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "nothing".into())
    }
}

impl<T, E: Debug> Look for Result<T, E> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.map_err(|seen| format!("{seen:?}"))
    }
}

impl Look for bool {
    type Found = ();

    fn found(self) -> Result<(), String> {
        if self {
            Ok(())
        } else {
            Err("that it is not so".into())
        }
    }
}

/// Looks again and again until it finds what is waited for, and returns that.
///
/// `look` returns an `Option`, a `bool`, or a `Result` whose error says what is there instead. A
/// level, not an edge: ask for a state that stays, so that it does not matter when one looks.
///
/// # Panics
/// After `limit`, with `what` and what was seen last; a look that does not return counts too.
#[track_caller]
pub fn until<L: Look>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> L,
) -> impl Future<Output = L::Found> {
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + limit;
        let mut seen = "nothing: the first look did not return".to_owned();
        while Instant::now() < deadline {
            match timeout_at(deadline, look()).await.map(Look::found) {
                Ok(Ok(found)) => return found,
                Ok(Err(instead)) => seen = instead,
                Err(_) => break,
            }
            sleep(PAUSE).await;
        }
        panic!("{caller}: waited {limit:?} in vain until {what}; saw {seen}")
    }
}
