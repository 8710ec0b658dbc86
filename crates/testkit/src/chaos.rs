//! A TCP proxy that misbehaves on request, for Postgres and HTTP alike.
//!
//! It knows nothing of what flows through it. Each fault lasts until [`ChaosProxy::resume`], except
//! the two that cut.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// A proxy in front of one server; its connections are cut when it is dropped.
#[derive(Debug)]
pub struct ChaosProxy {
    address: SocketAddr,
    /// Never listens; keeps the port ours while we refuse connections.
    _reservation: TcpSocket,
    listening: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    target: String,
    weather: watch::Sender<Weather>,
    /// Cancelled to cut the connections of its time.
    connections: Mutex<CancellationToken>,
    /// How many more bytes of answers may pass before the cut.
    answer_budget: Mutex<Option<usize>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    black_hole: bool,
    latency: Duration,
}

impl ChaosProxy {
    /// Starts a proxy in front of the server that a URL names.
    ///
    /// # Panics
    /// If the URL names no host, no port can be had, or there is no runtime.
    pub fn in_front_of(url: &str) -> Self {
        let url = parse(url);
        let host = url.host_str().expect("the URL names a host");
        let port = url.port_or_known_default().unwrap_or(5432);
        let reservation = socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let address = reservation.local_addr().expect("the socket is bound");
        let shared = Shared {
            target: format!("{host}:{port}"),
            weather: watch::Sender::default(),
            connections: Mutex::default(),
            answer_budget: Mutex::default(),
        };
        let (listening, shared) = (Mutex::default(), Arc::new(shared));
        let proxy = Self {
            address,
            _reservation: reservation,
            listening,
            shared,
        };
        proxy.resume();
        proxy
    }

    /// Returns the same URL with the proxy's address in it.
    pub fn url_for(&self, url: &str) -> String {
        let mut url = parse(url);
        url.set_host(Some(&self.address.ip().to_string()))
            .expect("the URL has a host");
        url.set_port(Some(self.address.port()))
            .expect("the URL has a host");
        url.into()
    }

    /// Resets all connections; new ones are welcome.
    pub fn cut_all(&self) {
        std::mem::take(&mut *lock(&self.shared.connections)).cancel();
    }

    /// Resets all connections and refuses new ones, as a machine does where nothing listens.
    pub async fn refuse(&self) {
        let listening = lock(&self.listening).take();
        if let Some(listening) = listening {
            listening.abort();
            // The listener is closed when its task is over; that it was aborted is no news.
            drop(listening.await);
        }
        self.cut_all();
    }

    /// Lets nothing through in either direction; connections stay open, new ones too.
    pub fn black_hole(&self) {
        self.shared
            .weather
            .send_modify(|weather| weather.black_hole = true);
    }

    /// Ends [`refuse`](Self::refuse) and [`black_hole`](Self::black_hole); bytes held back flow on.
    pub fn resume(&self) {
        lock(&self.listening).get_or_insert_with(|| {
            let listener = socket(self.address).listen(1024).expect("the port is ours");
            tokio::spawn(accept(listener, Arc::clone(&self.shared)))
        });
        self.shared
            .weather
            .send_modify(|weather| weather.black_hole = false);
    }

    /// Holds back each piece of up to 64 KiB for this long, in both directions; zero ends it.
    pub fn latency(&self, latency: Duration) {
        self.shared
            .weather
            .send_modify(|weather| weather.latency = latency);
    }

    /// Lets this many more bytes of answers pass, all connections together, then closes the one
    /// that would pass the next byte. Once; the others go on.
    pub fn cut_after(&self, bytes: usize) {
        *lock(&self.shared.answer_budget) = Some(bytes);
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        if let Some(listening) = lock(&self.listening).take() {
            listening.abort();
        }
        self.cut_all();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(serve(client, Arc::clone(&shared)));
    }
}

/// Carries one connection until an end closes it, or it is cut.
async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    let cut = lock(&shared.connections).clone();
    let Ok(mut server) = TcpStream::connect(&shared.target).await else {
        return reset(&client);
    };
    let carried = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            () = cut.cancelled() => Err(io::ErrorKind::ConnectionReset.into()),
            carried = async {
                tokio::try_join!(
                    carry(from_client, to_server, &shared, None),
                    carry(from_server, to_client, &shared, Some(&shared.answer_budget)),
                )
            } => carried,
        }
    };
    match carried {
        Ok(_) => {}
        // The client has been told by an orderly end, after exactly the bytes that were let pass.
        Err(error) if error.kind() == io::ErrorKind::QuotaExceeded => reset(&server),
        Err(_) => {
            reset(&client);
            reset(&server);
        }
    }
}

async fn carry(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
    budget: Option<&Mutex<Option<usize>>>,
) -> io::Result<()> {
    let mut weather = shared.weather.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer).await?;
        let latency = weather.borrow().latency;
        sleep(latency).await;
        // An error means that the proxy is gone, and with it the black hole.
        drop(weather.wait_for(|weather| !weather.black_hole).await);
        let (piece, _) = buffer.split_at(read);
        let passing = budget.map_or(read, |budget| spend(&mut lock(budget), read));
        to.write_all(piece.get(..passing).unwrap_or_default())
            .await?;
        if read == 0 || passing < read {
            to.shutdown().await?;
        }
        if passing < read {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// Takes bytes from the budget and returns how many may pass; the budget ends with the cut.
fn spend(budget: &mut Option<usize>, wanted: usize) -> usize {
    let Some(left) = *budget else { return wanted };
    *budget = left.checked_sub(wanted);
    wanted.min(left)
}

/// Makes a socket on an address that we may already hold by another socket.
fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket can be made");
    socket.set_reuseport(true).expect("ports can be shared");
    socket.bind(address).expect("the port is free or ours");
    socket
}

/// Lets the other side see a reset, not an end, when the connection is dropped.
fn reset(stream: &TcpStream) {
    // It fails where the connection is already gone.
    drop(stream.set_zero_linger());
}

fn parse(url: &str) -> Url {
    url.parse()
        .expect("a URL such as postgres://.. or http://..")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
