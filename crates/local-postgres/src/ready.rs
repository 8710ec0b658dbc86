//! Waiting until a server answers.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::NoTls;

/// How long a server may take to come up, recovery after a crash included.
const START_LIMIT: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_millis(25);

/// Waits until a connection succeeds.
///
/// `ended` says whether the server has given up, and why; then there is nothing to wait for.
pub(crate) async fn until_answers(
    url: &str,
    mut ended: impl AsyncFnMut() -> Option<String>,
) -> Result<(), String> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if let Some(reason) = ended().await {
            return Err(reason);
        }
        match attempt(url).await {
            Ok(()) => return Ok(()),
            Err(reason) if Instant::now() >= deadline => return Err(reason),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Says whether a server is there at all, even if it is full or still recovering.
pub(crate) async fn is_alive(url: &str) -> bool {
    match timeout(Duration::from_secs(10), tokio_postgres::connect(url, NoTls)).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => error.code().is_some(),
        Err(_) => false,
    }
}

async fn attempt(url: &str) -> Result<(), String> {
    match timeout(Duration::from_secs(5), tokio_postgres::connect(url, NoTls)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(describe(&error)),
        Err(_) => Err("no answer within 5 s".into()),
    }
}

fn describe(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |said| said.message().into())
}
