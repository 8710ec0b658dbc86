//! A response body that follows a script: bytes, waits, a cut.
//!
//! Its length is never announced, so HTTP/1.1 sends it chunked, as Okta does; only an empty one is plainly empty.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio_util::sync::CancellationToken;

use crate::busy::InWork;

/// The script said to break the connection here.
#[derive(Debug, thiserror::Error)]
#[error("the body is cut on purpose")]
pub(crate) struct Cut;

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

enum Step {
    Data(Bytes),
    Wait(Wait),
    Cut,
}

/// The rest of a body.
pub(crate) struct Script {
    steps: VecDeque<Step>,
    /// Ends with the body.
    work: Option<InWork>,
}

impl Script {
    fn of(steps: VecDeque<Step>) -> Self {
        Self { steps, work: None }
    }

    /// The same, a request in work until it is sent.
    pub(crate) fn holding(self, work: InWork) -> Self {
        Self {
            work: Some(work),
            ..self
        }
    }

    pub(crate) fn whole(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            return Self::of(VecDeque::new());
        }
        Self::of(VecDeque::from([Step::Data(bytes)]))
    }

    /// Half of the body, then the connection ends.
    pub(crate) fn cut(mut bytes: Bytes) -> Self {
        let half = bytes.split_to(bytes.len() / 2);
        // One turn of waiting makes the server send what it has before it meets the cut.
        let flush: Wait = Box::pin(tokio::task::yield_now());
        Self::of(VecDeque::from([
            Step::Data(half),
            Step::Wait(flush),
            Step::Cut,
        ]))
    }

    /// Half of the body, the rest when `release` fires.
    pub(crate) fn hung(mut bytes: Bytes, release: CancellationToken) -> Self {
        let half = bytes.split_to(bytes.len() / 2);
        let wait: Wait = Box::pin(release.cancelled_owned());
        Self::of(VecDeque::from([
            Step::Data(half),
            Step::Wait(wait),
            Step::Data(bytes),
        ]))
    }

    /// Pieces of `piece` bytes with a pause before each.
    pub(crate) fn slow(mut bytes: Bytes, piece: usize, pause: Duration) -> Self {
        let mut steps = VecDeque::new();
        while !bytes.is_empty() {
            let data = bytes.split_to(piece.clamp(1, bytes.len()));
            steps.push_back(Step::Wait(Box::pin(async move {
                tokio::time::sleep(pause).await;
            })));
            steps.push_back(Step::Data(data));
        }
        Self::of(steps)
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Cut;

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            match self.steps.pop_front() {
                None => {
                    self.work = None;
                    return Poll::Ready(None);
                }
                Some(Step::Cut) => return Poll::Ready(Some(Err(Cut))),
                // An empty chunk would end a chunked body.
                Some(Step::Data(data)) if data.is_empty() => {}
                Some(Step::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Step::Wait(mut wait)) => {
                    if wait.as_mut().poll(context).is_pending() {
                        self.steps.push_front(Step::Wait(wait));
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}
