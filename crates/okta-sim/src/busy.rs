//! How many requests are in work at once, for the limit on concurrency.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The requests in work. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(Arc<AtomicU32>);

/// One request; it is in work until its body is sent or its client has gone.
#[derive(Debug)]
pub(crate) struct InWork(Busy);

impl Busy {
    pub(crate) fn begin(&self) -> InWork {
        self.0.fetch_add(1, Ordering::SeqCst);
        InWork(self.clone())
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}
