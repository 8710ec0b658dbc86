//! What this process may ask Okta, by budget: a block of permits drawn from the database at a time, so
//! that it is not asked for every request.
//!
//! Every answer is heard here and told to the database with the next draw, at once if nothing is left
//! to use, and when the last user has gone: then the rest is given back. A process that dies takes its
//! block with it; that is a part of one window, and nobody asks more than allowed because of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::{Duration, Instant};

use model::budget::{Block, Grant, Heard, Priority, Report};
use okta::{Failure, OktaError, Page, RateHeaders};
use store::{BudgetKey, Draw, Store, StoreError};
use tokio::sync::Mutex;

/// The budgets in use by this process.
#[derive(Debug, Clone)]
pub(crate) struct Budgets {
    store: Store,
    share: f64,
    purses: Arc<Lock<HashMap<BudgetKey, Arc<Mutex<Purse>>>>>,
}

/// One budget, as one job uses it. To be closed when the job is done with it.
#[derive(Debug)]
pub(crate) struct Budget {
    all: Budgets,
    key: BudgetKey,
    purse: Arc<Mutex<Purse>>,
}

/// The answer to asking for one request.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Go, and say what came of it.
    Go(Permit),
    /// Not before this long.
    Wait(Duration),
}

/// The right to one request.
#[derive(Debug)]
pub(crate) struct Permit {
    window: i64,
}

#[derive(Debug, Default)]
struct Purse {
    block: Option<(Block, Instant)>,
    report: Report,
    heard_at: Option<Instant>,
}

impl Budgets {
    pub(crate) fn new(store: Store, share: f64) -> Self {
        Self {
            store,
            share,
            purses: Arc::default(),
        }
    }

    /// Opens a budget for a job.
    pub(crate) fn open(&self, key: BudgetKey) -> Budget {
        let mut purses = self.purses.lock().unwrap_or_else(PoisonError::into_inner);
        let purse = Arc::clone(purses.entry(key.clone()).or_default());
        Budget {
            all: self.clone(),
            key,
            purse,
        }
    }
}

impl Budget {
    /// Asks for one request.
    pub(crate) async fn ask(&self, priority: Priority) -> Result<Asked, StoreError> {
        let mut purse = self.purse.lock().await;
        // Blocks are for polling: whoever is less urgent must be seen to be so each time.
        if priority == Priority::Live
            && let Some(window) = purse.spend()
        {
            return Ok(Asked::Go(Permit { window }));
        }
        let draw = Draw {
            priority,
            share: self.all.share,
            most: if priority == Priority::Live {
                u32::MAX
            } else {
                1
            },
        };
        if priority == Priority::Live {
            purse.give_up_block();
        }
        let report = purse.report();
        match self
            .all
            .store
            .draw_requests(&self.key, draw, &report)
            .await?
        {
            Grant::Wait(wait) => {
                purse.forget_report();
                Ok(Asked::Wait(wait))
            }
            Grant::Go(block) => {
                purse.forget_report();
                let window = block.window;
                if priority == Priority::Live {
                    purse.block = Some((block, Instant::now() + block.ends_in));
                    purse.spend_first();
                }
                Ok(Asked::Go(Permit { window }))
            }
        }
    }

    /// Waits for one request as long as is not worth giving the slot back for.
    pub(crate) async fn ask_within(
        &self,
        priority: Priority,
        patience: Duration,
    ) -> Result<Asked, StoreError> {
        let asked = Instant::now();
        loop {
            match self.ask(priority).await? {
                Asked::Wait(wait) if asked.elapsed() + wait <= patience => {
                    tokio::time::sleep(wait).await;
                }
                answer => return Ok(answer),
            }
        }
    }

    /// Takes in a page.
    pub(crate) async fn heard_page(&self, permit: Permit, page: &Page) -> Result<(), StoreError> {
        self.heard(permit, true, page.rate.heard()).await
    }

    /// Takes in a failure, a refusal by Okta's rate limit among them.
    pub(crate) async fn heard_failure(
        &self,
        permit: Permit,
        failure: &Failure,
    ) -> Result<(), StoreError> {
        let mut said = failure.rate.as_ref().and_then(RateHeaders::heard);
        if matches!(failure.error, OktaError::RateLimited { .. }) {
            if self
                .all
                .store
                .note_rate_refusal(&self.key, said.as_ref())
                .await?
            {
                tracing::warn!(
                    "okta's limit for the whole org is used up; nobody asks it until it resets"
                );
                // It says nothing about the window of the token.
                said = None;
            } else if let Some(said) = &mut said {
                // Whatever else the headers say.
                said.remaining = 0;
                said.resets_in = said.resets_in.max(Duration::from_secs(1));
            }
        }
        self.heard(permit, failure.status.is_some(), said).await
    }

    async fn heard(
        &self,
        permit: Permit,
        answered: bool,
        heard: Option<Heard>,
    ) -> Result<(), StoreError> {
        let mut purse = self.purse.lock().await;
        purse.note(&permit, answered, heard, self.all.share);
        if purse.spent() {
            // Others may be waiting for what was said.
            let report = purse.report();
            self.all
                .store
                .settle_requests(&self.key, self.all.share, &report)
                .await?;
            purse.forget_report();
        }
        Ok(())
    }

    /// Gives back what is left if nobody else of this process uses it.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        {
            let mut purses = self
                .all
                .purses
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            // The map's and ours.
            if Arc::strong_count(&self.purse) > 2 {
                return Ok(());
            }
            purses.remove(&self.key);
        }
        let mut purse = self.purse.lock().await;
        purse.give_up_block();
        let report = purse.report();
        if report == Report::default() {
            return Ok(());
        }
        self.all
            .store
            .settle_requests(&self.key, self.all.share, &report)
            .await
    }
}

impl Purse {
    fn spend(&mut self) -> Option<i64> {
        let (block, until) = self.block.as_mut()?;
        if block.permits == 0 || Instant::now() >= *until {
            return None;
        }
        block.permits -= 1;
        Some(block.window)
    }

    fn spend_first(&mut self) {
        if let Some((block, _)) = &mut self.block {
            block.permits = block.permits.saturating_sub(1);
        }
    }

    fn spent(&self) -> bool {
        self.block.is_none_or(|(block, _)| block.permits == 0)
    }

    /// What a block has left goes into the report.
    fn give_up_block(&mut self) {
        if let Some((block, _)) = self.block.take() {
            self.about(block.window);
            self.report.returned += block.permits;
        }
    }

    /// The report is about one window; what is known of an older one is worth nothing any more.
    fn about(&mut self, window: i64) {
        if self.report.window != window {
            self.report = Report {
                window,
                heard: self.report.heard,
                ..Report::default()
            };
        }
    }

    fn note(&mut self, permit: &Permit, answered: bool, heard: Option<Heard>, share: f64) {
        if permit.window >= self.report.window {
            self.about(permit.window);
            self.report.used += 1;
            self.report.unanswered += u32::from(!answered);
        }
        let Some(heard) = heard else { return };
        let newer = self.report.heard.is_none_or(|before| {
            (heard.reset, std::cmp::Reverse(heard.remaining))
                >= (before.reset, std::cmp::Reverse(before.remaining))
        });
        if !newer {
            return;
        }
        self.report.heard = Some(heard);
        self.heard_at = Some(Instant::now());
        // Strangers may have been faster.
        let left = heard.left(share);
        if let Some((block, _)) = &mut self.block
            && block.permits > left
        {
            let (window, surplus) = (block.window, block.permits - left);
            block.permits = left;
            self.about(window);
            self.report.returned += surplus;
        }
    }

    /// What there is to tell, as of now.
    fn report(&self) -> Report {
        let mut report = self.report;
        if let (Some(heard), Some(at)) = (&mut report.heard, self.heard_at) {
            heard.ago = at.elapsed();
            heard.resets_in = heard.resets_in.saturating_sub(heard.ago);
        }
        report
    }

    /// Only once it has been told: a database that is away is told later.
    fn forget_report(&mut self) {
        self.report = Report {
            window: self.report.window,
            ..Report::default()
        };
        self.heard_at = None;
    }
}
