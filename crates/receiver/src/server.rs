//! The listener in front of an inbox.
//!
//! Dropping a [`Receiver`] closes the listener and breaks its connections, as a host that goes away does;
//! the [`Inbox`] lives on in its handles and can be served again.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::config::ReceiverConfig;
use crate::inbox::Inbox;
use crate::respond::{Broken, respond};

/// A pause after a failed `accept`, which fails again at once when files have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running receiver.
#[derive(Debug)]
pub struct Receiver {
    addr: SocketAddr,
    inbox: Inbox,
    tasks: TaskTracker,
    stop: CancellationToken,
    _guard: DropGuard,
}

/// The receiver could not start.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

impl Receiver {
    /// Makes an inbox and serves it, on the current Tokio runtime.
    pub async fn start(config: ReceiverConfig) -> Result<Self, ReceiverError> {
        let listen = config.listen;
        Self::serve(Inbox::new(config), listen).await
    }

    /// Serves an inbox that exists, for instance once more after [`Receiver::stop`].
    pub async fn serve(inbox: Inbox, listen: SocketAddr) -> Result<Self, ReceiverError> {
        let failed = |source| ReceiverError::Listen {
            addr: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let front = Front {
            inbox: inbox.clone(),
            addr,
            stop: stop.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(front.accept(listener));
        tasks.close();
        Ok(Self {
            addr,
            inbox,
            tasks,
            stop: stop.clone(),
            _guard: stop.drop_guard(),
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its origin, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What has arrived.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Stops listening, breaks all connections and waits until nothing of it runs any more.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

#[derive(Clone)]
struct Front {
    inbox: Inbox,
    addr: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Front {
    async fn accept(self, listener: TcpListener) {
        let stop = self.stop.clone();
        let accepting = async {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let front = self.clone();
                        self.tasks.spawn(async move {
                            let stop = front.stop.clone();
                            stop.run_until_cancelled(front.connection(stream)).await;
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        stop.run_until_cancelled(accepting).await;
    }

    async fn connection(self, stream: TcpStream) {
        // Only speed is lost without it.
        let _nodelay = stream.set_nodelay(true);
        let service = service_fn(|request| respond(self.inbox.clone(), self.addr, request));
        let mut connection = http1::Builder::new()
            // Idle connections stay, as clients expect.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service);
        let Err(error) = (&mut connection).await else {
            return;
        };
        tracing::debug!(%error, "connection ended early");
        if std::error::Error::source(&error).is_some_and(<dyn std::error::Error>::is::<Broken>) {
            // Closed with nothing to wait for: the other side sees a reset, not an end.
            let _reset = connection.into_parts().io.into_inner().set_zero_linger();
        }
    }
}
