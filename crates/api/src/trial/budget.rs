//! The budget of a stored credential, one request at a time. A request whose test is broken off counts as
//! one without an answer.

use std::time::Duration;

use model::budget::{Grant, Priority, Report};
use okta::{Failure, OktaError, Page, RateHeaders};
use store::{BudgetKey, Draw, Store, StoreError};

/// A wait that a person does not mind.
const SHORT: Duration = Duration::from_secs(2);

/// What a stored credential may ask, shared with its sources.
#[derive(Debug)]
pub(crate) struct Budget<'a> {
    pub(crate) store: &'a Store,
    pub(crate) key: BudgetKey,
}

/// A drawn request, until somebody says what became of it.
#[derive(Debug)]
pub(super) struct Drawn {
    store: Store,
    key: BudgetKey,
    share: f64,
    window: i64,
    settled: bool,
}

impl Drop for Drawn {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        // It may be the first of a window, for which all pollers of the token wait.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (store, key, share) = (self.store.clone(), self.key.clone(), self.share);
        let lost = Report {
            window: self.window,
            used: 1,
            unanswered: 1,
            ..Report::default()
        };
        runtime.spawn(async move {
            if let Err(error) = store.settle_requests(&key, share, &lost).await {
                tracing::warn!(%error, "could not settle the request of a test that was broken off");
            }
        });
    }
}

impl Budget<'_> {
    /// Draws one request, or says how long there is none.
    pub(super) async fn draw(&self, share: f64) -> Result<Result<Drawn, Duration>, StoreError> {
        let draw = Draw {
            priority: Priority::Live,
            share,
            most: 1,
        };
        let mut waited = Duration::ZERO;
        loop {
            let nothing = Report::default();
            let wait = match self.store.draw_requests(&self.key, draw, &nothing).await? {
                Grant::Go(block) => {
                    return Ok(Ok(Drawn {
                        store: self.store.clone(),
                        key: self.key.clone(),
                        share,
                        window: block.window,
                        settled: false,
                    }));
                }
                Grant::Wait(wait) => wait,
            };
            waited += wait;
            if waited > SHORT {
                return Ok(Err(wait));
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Tells what became of it.
    pub(super) async fn settle(
        &self,
        mut drawn: Drawn,
        answer: &Result<Page, Box<Failure>>,
    ) -> Result<(), StoreError> {
        let (rate, answered) = match answer {
            Ok(page) => (Some(page.rate), true),
            Err(failure) => (failure.rate, failure.status.is_some()),
        };
        let mut said = rate.as_ref().and_then(RateHeaders::heard);
        if let Err(failure) = answer
            && matches!(failure.error, OktaError::RateLimited { .. })
            && self
                .store
                .note_rate_refusal(&self.key, said.as_ref())
                .await?
        {
            // It was the org's limit and says nothing about the window of the token.
            said = None;
        }
        let report = Report {
            window: drawn.window,
            used: 1,
            unanswered: u32::from(!answered),
            returned: 0,
            heard: said,
        };
        let settled = self
            .store
            .settle_requests(&self.key, drawn.share, &report)
            .await;
        drawn.settled = settled.is_ok();
        settled
    }
}
