//! Events on their way into a log: which of them are new, and the batch that they become. The same
//! for every origin; what becomes of an identity that is stored with other content differs.
//!
//! The caller holds the lock of the source's live log, which is where uniqueness is decided, and that
//! of the log it appends to.

use chrono::{DateTime, NaiveDate, Utc};
use diesel_async::AsyncPgConnection;

use crate::batch_ids::{self, Known};
use crate::batches::{self, NewBatch};
use crate::error::StoreError;
use crate::logs::Log;
use crate::page::EventId;

/// Why a batch is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Poll,
    Backfill,
    Verify,
}

impl Origin {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Backfill => "backfill",
            Self::Verify => "verify",
        }
    }

    /// Whether an event is kept that is stored with other content only. Live polling keeps what it is
    /// shown; a range is read to find what is not there at all.
    fn keeps_changed(self) -> bool {
        self == Self::Poll
    }
}

/// Events of one answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Intake<'a> {
    pub(crate) origin: Origin,
    /// One event per line.
    pub(crate) ndjson: &'a [u8],
    /// One for each line.
    pub(crate) events: &'a [EventId],
    /// The server's clock at the answer.
    pub(crate) date: DateTime<Utc>,
}

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is new.
    Keep,
    /// It is stored.
    Same,
    /// It is stored with other content, and that one stays.
    Changed,
}

impl Intake<'_> {
    /// Judges each event by what is stored and by those before it.
    pub(crate) fn judge(&self, mut stored: Known) -> Vec<Verdict> {
        let keeps_changed = self.origin.keeps_changed();
        self.events
            .iter()
            .map(|event| {
                let contents = stored.entry(event.identity).or_default();
                if contents.contains(&event.content) {
                    return Verdict::Same;
                }
                if !contents.is_empty() && !keeps_changed {
                    return Verdict::Changed;
                }
                contents.push(event.content);
                Verdict::Keep
            })
            .collect()
    }

    /// Appends what is new as batch `log.next_number`; returns how many events that are. Without any
    /// there is no batch. `body` is the whole page, compressed, if somebody has done that already.
    pub(crate) async fn append(
        &self,
        conn: &mut AsyncPgConnection,
        log: &Log,
        day: NaiveDate,
        now: DateTime<Utc>,
        verdicts: &[Verdict],
        body: Option<&[u8]>,
    ) -> Result<usize, StoreError> {
        let kept = kept(verdicts);
        if kept == 0 {
            return Ok(0);
        }
        let all = kept == self.events.len();
        let thinned = (!all).then(|| self.thin(verdicts));
        let ndjson = thinned.as_deref().unwrap_or(self.ndjson);
        let compressed = match body.filter(|_| all) {
            Some(_) => None,
            None => Some(batches::compress(ndjson)?),
        };
        let pairs = self.events.iter().zip(verdicts);
        let events: Vec<EventId> = pairs
            .filter(|(_, verdict)| **verdict == Verdict::Keep)
            .map(|(event, _)| *event)
            .collect();
        let batch = NewBatch {
            log,
            day,
            received_at: now,
            origin: self.origin,
            events: &events,
            bytes: ndjson.len(),
            body: compressed.as_deref().or(body).unwrap_or_default(),
        };
        batches::insert(conn, &batch).await?;
        batch_ids::insert(conn, &batch, self.date).await?;
        Ok(kept)
    }

    /// The NDJSON of the kept events.
    fn thin(&self, verdicts: &[Verdict]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(self.ndjson.len());
        let mut from = 0;
        for (event, verdict) in self.events.iter().zip(verdicts) {
            if *verdict == Verdict::Keep {
                kept.extend_from_slice(self.ndjson.get(from..event.end).unwrap_or_default());
            }
            from = event.end;
        }
        kept
    }

    /// Days by which events are dated ahead of now, rounded up; more than 95 do not count.
    pub(crate) fn ahead_days(&self, now: DateTime<Utc>) -> i16 {
        let ahead = self
            .events
            .iter()
            .filter_map(|event| event.published)
            .filter(|at| *at > now);
        let days = ahead
            .map(|at| (at - now).num_days() + 1)
            .filter(|days| *days <= 95)
            .max();
        days.and_then(|days| i16::try_from(days).ok()).unwrap_or(0)
    }
}

/// How many of them are new.
pub(crate) fn kept(verdicts: &[Verdict]) -> usize {
    let keeps = |verdict: &&Verdict| **verdict == Verdict::Keep;
    verdicts.iter().filter(keeps).count()
}
