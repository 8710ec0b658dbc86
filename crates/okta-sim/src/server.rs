//! The listener in front of an org.
//!
//! Dropping a [`Sim`] closes the listener and breaks its connections, as a host that goes away does; the
//! [`Org`] lives on in its handles and can be served again.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::config::SimConfig;
use crate::control::{self, Controlled};
use crate::hosts::{Hosted, Hosts};
use crate::org::Org;
use crate::respond::respond;
use crate::tls::Tls;

/// A pause after a failed `accept`, which fails again at once when files have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running simulator: one listener, and the orgs behind it.
#[derive(Debug)]
pub struct Sim {
    addr: SocketAddr,
    scheme: &'static str,
    org: Org,
    tasks: TaskTracker,
    stop: CancellationToken,
    _guard: DropGuard,
}

/// The simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

impl Sim {
    /// Makes an org and serves it, on the current Tokio runtime.
    pub async fn start(config: SimConfig) -> Result<Self, SimError> {
        let org = Org::new(config.org, config.clock);
        Self::serve(org, config.listen, config.tls).await
    }

    /// Serves an org that exists, for instance once more after [`Sim::stop`].
    pub async fn serve(org: Org, listen: SocketAddr, tls: Option<Tls>) -> Result<Self, SimError> {
        let hosts = Vec::new();
        Self::serve_hosts(vec![Hosted { hosts, org }], listen, tls).await
    }

    /// Serves orgs by their host names; a host that none of them has is no org.
    pub async fn serve_hosts(
        orgs: Vec<Hosted>,
        listen: SocketAddr,
        tls: Option<Tls>,
    ) -> Result<Self, SimError> {
        let org = orgs.first().map(|first| first.org.clone());
        let scheme = if tls.is_some() { "https" } else { "http" };
        let hosts = Hosts::new(orgs);
        let org = org.unwrap_or_else(|| hosts.org("").clone());
        Self::listen(Role::Orgs(hosts), org, scheme, listen, tls).await
    }

    /// Serves the control interface, plain HTTP without a credential: everybody who reaches it may do
    /// everything to the orgs. [`Sim::org`] is the first of them.
    pub async fn control(controlled: Controlled, listen: SocketAddr) -> Result<Self, SimError> {
        let org = controlled.orgs.first().map(|(_, org)| org.clone());
        let org = org.unwrap_or_else(|| Hosts::new(Vec::new()).org("").clone());
        let role = Role::Control(Arc::new(controlled));
        Self::listen(role, org, "http", listen, None).await
    }

    async fn listen(
        role: Role,
        org: Org,
        scheme: &'static str,
        listen: SocketAddr,
        tls: Option<Tls>,
    ) -> Result<Self, SimError> {
        let failed = |source| SimError::Listen {
            addr: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let front = Front {
            role,
            scheme,
            addr,
            tls,
            stop: stop.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(front.accept(listener));
        tasks.close();
        Ok(Self {
            addr,
            scheme,
            org,
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
        format!("{}://{}", self.scheme, self.addr)
    }

    /// The org behind it, or the first of them.
    pub fn org(&self) -> &Org {
        &self.org
    }

    /// Stops listening, breaks all connections and waits until nothing of it runs any more.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// What a listener is for.
#[derive(Clone)]
enum Role {
    Orgs(Hosts),
    Control(Arc<Controlled>),
}

#[derive(Clone)]
struct Front {
    role: Role,
    scheme: &'static str,
    addr: SocketAddr,
    tls: Option<Tls>,
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
        match &self.tls {
            None => self.http(stream).await,
            Some(tls) => match tls.acceptor().accept(stream).await {
                Ok(stream) => self.http(stream).await,
                Err(error) => tracing::debug!(%error, "TLS handshake failed"),
            },
        }
    }

    async fn http(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let service = service_fn(|request| async {
            Ok::<_, Infallible>(match &self.role {
                Role::Orgs(hosts) => respond(hosts, self.scheme, self.addr, request).await,
                Role::Control(controlled) => {
                    control::respond(Arc::clone(controlled), request).await
                }
            })
        });
        let served = http1::Builder::new()
            // The org's own clock gives it; idle connections stay, as clients expect.
            .auto_date_header(false)
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            // A client that left, or a fault that was asked for.
            tracing::debug!(%error, "connection ended early");
        }
    }
}
