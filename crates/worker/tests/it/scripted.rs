//! Destinations that answer by script and remember what they were sent.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use forward::{
    Batch, Check, Checked, Destination, Destinations, Limits, OpenError, Progress, Proof, Refusal,
    Report, Settings, Then,
};
use model::status::Trouble;
use serde_json::Value;

/// What a destination does with a batch.
pub(crate) enum Reply {
    /// Takes all of it.
    Take,
    /// Says this.
    Say(Report),
    /// Takes all of it by so many requests, each answered well in time, all together not.
    Trickle(u32),
    /// Does not answer.
    Hang,
    /// Meets a defect.
    Panic,
}

/// Decides on the n-th batch, counted from 0.
type Script = Arc<dyn Fn(usize, &[Vec<u8>]) -> Reply + Send + Sync>;

/// A batch as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) key: String,
    pub(crate) events: Vec<Vec<u8>>,
}

/// One destination.
pub(crate) struct Place {
    limits: Limits,
    script: Mutex<Script>,
    sent: Mutex<Vec<Sent>>,
    taken: Mutex<Vec<Vec<u8>>>,
    /// One for each delivery that has not come to its end.
    waiting: Arc<()>,
}

impl Place {
    /// Acts by another script from now on; its batches are counted from 0.
    pub(crate) fn script(
        &self,
        script: impl Fn(usize, &[Vec<u8>]) -> Reply + Send + Sync + 'static,
    ) {
        self.sent.lock().unwrap().clear();
        *self.script.lock().unwrap() = Arc::new(script);
    }

    /// Takes everything from now on.
    pub(crate) fn take(&self) {
        self.script(|_, _| Reply::Take);
    }

    /// The batches since the script began.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    /// Deliveries that are under way.
    pub(crate) fn waiting(&self) -> usize {
        Arc::strong_count(&self.waiting) - 1
    }

    /// The events that were ever delivered to it, in order.
    pub(crate) fn taken(&self) -> Vec<Vec<u8>> {
        self.taken.lock().unwrap().clone()
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

#[async_trait]
impl Destination for Place {
    fn limits(&self) -> Limits {
        self.limits
    }

    async fn deliver(&self, batch: &Batch, progress: &Progress) -> Report {
        let _waiting = Arc::clone(&self.waiting);
        let events: Vec<Vec<u8>> = batch.events.iter().map(<[u8]>::to_vec).collect();
        let script = Arc::clone(&self.script.lock().unwrap());
        let n = {
            let mut sent = self.sent.lock().unwrap();
            sent.push(Sent {
                key: batch.key.clone(),
                events: events.clone(),
            });
            sent.len() - 1
        };
        let report = match script(n, &events) {
            Reply::Take => Report::all(events.len()),
            Reply::Say(report) => report,
            Reply::Trickle(requests) => {
                for _ in 0..requests {
                    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                    progress.answered();
                }
                Report::all(events.len())
            }
            Reply::Hang => std::future::pending().await,
            Reply::Panic => panic!("as the script says"),
        };
        let refused = |n: &usize| report.refused.iter().any(|refusal| refusal.index == *n);
        let taken = events.into_iter().enumerate().take(report.settled);
        let taken = taken.filter(|(n, _)| !refused(n)).map(|(_, event)| event);
        self.taken.lock().unwrap().extend(taken);
        report
    }

    async fn test(&self, _nonce: &str, _now: DateTime<Utc>) -> Vec<Check> {
        Vec::new()
    }
}

/// Destinations by the `path` of their settings.
#[derive(Debug)]
pub(crate) struct Scripted {
    limits: Limits,
    places: Mutex<HashMap<String, Arc<Place>>>,
}

impl Scripted {
    /// All take so many events at once.
    pub(crate) fn taking(max_events: usize) -> Arc<Self> {
        Arc::new(Self {
            limits: Limits {
                max_events,
                max_bytes: 1 << 20,
            },
            places: Mutex::default(),
        })
    }

    pub(crate) fn place(&self, path: &str) -> Arc<Place> {
        let place = || {
            Arc::new(Place {
                limits: self.limits,
                script: Mutex::new(Arc::new(|_, _| Reply::Take)),
                sent: Mutex::default(),
                taken: Mutex::default(),
                waiting: Arc::default(),
            })
        };
        let mut places = self.places.lock().unwrap();
        Arc::clone(places.entry(path.to_owned()).or_insert_with(place))
    }
}

impl Destinations for Scripted {
    fn open(&self, _kind: &str, settings: &Settings) -> Result<Arc<dyn Destination>, OpenError> {
        let path = settings.get("path").and_then(Value::as_str);
        Ok(self.place(path.expect("a path")))
    }

    fn check(&self, kind: &str, _settings: &Settings) -> Result<Checked, OpenError> {
        Err(OpenError::UnknownKind(kind.to_owned()))
    }

    fn proof(&self, _kind: &str) -> Option<Proof> {
        Some(Proof::Stored)
    }
}

/// Nothing is settled; try again.
pub(crate) fn retry(after: Option<std::time::Duration>) -> Report {
    Report::none(Then::Retry {
        after,
        trouble: Trouble::DestinationUnavailable,
        detail: "no room\0at the moment".to_owned(),
    })
}

/// All are settled, those of these numbers refused for a cause.
pub(crate) fn refusing(
    count: usize,
    numbers: impl IntoIterator<Item = usize>,
    cause: &'static str,
) -> Report {
    let refused = numbers.into_iter().map(|index| Refusal {
        index,
        cause,
        detail: "odd\0field".to_owned(),
    });
    Report {
        refused: refused.collect(),
        ..Report::all(count)
    }
}
