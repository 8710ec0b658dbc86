//! The budget of a stored credential, one request at a time. A test that is broken off keeps its permit
//! until the window ends.

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

impl Budget<'_> {
    /// Draws one request: its window, or how long there is none.
    pub(super) async fn draw(&self, share: f64) -> Result<Result<i64, Duration>, StoreError> {
        let draw = Draw {
            priority: Priority::Live,
            share,
            most: 1,
        };
        let mut waited = Duration::ZERO;
        loop {
            let nothing = Report::default();
            let wait = match self.store.draw_requests(&self.key, draw, &nothing).await? {
                Grant::Go(block) => return Ok(Ok(block.window)),
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
        share: f64,
        window: i64,
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
            window,
            used: 1,
            unanswered: u32::from(!answered),
            returned: 0,
            heard: said,
        };
        self.store.settle_requests(&self.key, share, &report).await
    }
}
