//! Tells workers that something may be due. Only a hint: workers look by themselves as well, so a
//! lost one costs a moment and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use store::Store;

/// At most one notification in this time.
const PAUSE: Duration = Duration::from_millis(50);

/// Rings the bell of the workers, many rings at once as one.
#[derive(Clone, Debug)]
pub(crate) struct Hint {
    store: Store,
    resting: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
}

impl Hint {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            resting: Arc::default(),
            asked: Arc::default(),
        }
    }

    /// Says that a committed change may have made something due. Returns at once.
    pub(crate) fn ring(&self) {
        self.asked.store(true, Ordering::SeqCst);
        if self.resting.swap(true, Ordering::SeqCst) {
            return;
        }
        let hint = self.clone();
        tokio::spawn(async move { hint.send_while_asked().await });
    }

    async fn send_while_asked(&self) {
        loop {
            while self.asked.swap(false, Ordering::SeqCst) {
                if let Err(error) = self.store.notify_jobs().await {
                    tracing::debug!(%error, "workers could not be notified");
                }
                tokio::time::sleep(PAUSE).await;
            }
            self.resting.store(false, Ordering::SeqCst);
            // A ring between the last look and the line above found this task awake and left.
            if !self.asked.load(Ordering::SeqCst) || self.resting.swap(true, Ordering::SeqCst) {
                return;
            }
        }
    }
}
