//! A worker that dies at a named point: frozen there for good, with a runtime and connections of its
//! own. Its transaction ends as it would with its machine: the server finds the connection gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::point::{Points, StopAt};
use store::{Store, StoreConfig};
use testkit::wait;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::house::{House, PATIENCE};

/// A worker with a thread, a runtime and connections of its own.
pub(crate) struct Mortal {
    name: String,
    frozen: Arc<AtomicBool>,
    stop: CancellationToken,
    thread: std::thread::JoinHandle<()>,
}

impl Mortal {
    /// Starts a worker; with a point it dies there.
    pub(crate) fn start(house: &House, at: Option<StopAt>) -> Self {
        let name = format!("mortal {}", Uuid::new_v4());
        let frozen = Arc::new(AtomicBool::new(false));
        let stop = CancellationToken::new();
        let mut config = StoreConfig::new(&house.url);
        config.application_name.clone_from(&name);
        let keys = house.keys();
        let mut worker = house.worker();
        let (reached, told) = (Arc::clone(&frozen), stop.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let mut store = Store::new(&config, keys).expect("a store");
                if let Some(at) = at {
                    let freeze = move |_| {
                        reached.store(true, Ordering::SeqCst);
                        loop {
                            std::thread::park();
                        }
                    };
                    store = store.with_points(Points::armed(at, freeze));
                }
                worker.store = store;
                worker.run(told).await.expect("the worker runs");
            });
        });
        Self {
            name,
            frozen,
            stop,
            thread,
        }
    }

    /// Whether it has reached its point.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::SeqCst)
    }

    /// Ends it: a frozen one loses its connections, any other one drains.
    pub(crate) async fn end(self, house: &House) {
        if self.is_frozen() {
            let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
            house
                .sql
                .query_one(kill, &[&self.name])
                .await
                .expect("an end");
            let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1";
            wait::until("its connections are gone", PATIENCE, async || {
                let left = house.sql.query_one(left, &[&self.name]).await;
                left.expect("a count").get::<_, i64>(0) == 0
            })
            .await;
            return;
        }
        self.stop.cancel();
        wait::until("it has drained", PATIENCE, async || {
            self.thread.is_finished() || self.is_frozen()
        })
        .await;
    }
}
