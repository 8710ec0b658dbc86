//! A server from whatever this machine has: its own programs, else Docker.

use crate::cluster::Cluster;
use crate::docker::DockerPostgres;
use crate::error::Error;
use crate::options::Options;
use crate::programs::Programs;

/// A running PostgreSQL server of our own; gone when dropped.
#[derive(Debug)]
pub enum Server {
    /// From the machine's programs.
    Local(Box<Cluster>),
    /// In a container.
    Docker(Box<DockerPostgres>),
}

impl Server {
    /// Starts a private cluster from the machine's programs; if there are none that fit, and none
    /// were asked for by folder, a container.
    ///
    /// # Errors
    /// If neither is there, the error says which programs to install.
    pub async fn start(options: Options) -> Result<Self, Error> {
        match Programs::find(options.bin_dir.as_deref()).await {
            Err(Error::ProgramsNotFound | Error::TooOld { .. })
                if options.bin_dir.is_none() && DockerPostgres::is_possible().await =>
            {
                DockerPostgres::start(&options)
                    .await
                    .map(|it| Self::Docker(Box::new(it)))
            }
            Err(error) => Err(error),
            Ok(_) => Cluster::start(options)
                .await
                .map(|it| Self::Local(Box::new(it))),
        }
    }

    /// Returns the URL of a database of this server; the database `postgres` exists from the start.
    pub fn url(&self, database: &str) -> String {
        match self {
            Self::Local(cluster) => cluster.url(database),
            Self::Docker(container) => container.url(database),
        }
    }

    /// Stops the server, removes what it stored and waits until both is done.
    pub async fn stop(self) -> Result<(), Error> {
        match self {
            Self::Local(cluster) => cluster.stop().await,
            Self::Docker(container) => container.stop().await,
        }
    }
}
