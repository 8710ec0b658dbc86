//! PostgreSQL in a container, for machines with Docker and no PostgreSQL programs.
//!
//! The container lives as long as its [`DockerPostgres`]: a guard process removes it when that is
//! stopped or dropped, or its process ends in whatever way.

use std::fmt;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::error::Error;
use crate::options::Options;
use crate::{random, ready};

const IMAGE: &str = "postgres:17";
/// How long the engine may take to say that it is there.
const ENGINE_LIMIT: Duration = Duration::from_secs(10);
const GUARD: &str = "trap '' HUP INT TERM; cat >/dev/null; docker rm -f -v \"$1\" >/dev/null 2>&1";

/// A running PostgreSQL container of our own; gone when dropped.
pub struct DockerPostgres {
    name: String,
    port: u16,
    password: String,
    rope: OwnedFd,
    guard: Child,
}

impl fmt::Debug for DockerPostgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerPostgres")
            .field("name", &self.name)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl DockerPostgres {
    /// Says whether a Docker engine answers.
    pub async fn is_possible() -> bool {
        let info = docker(&["info"]).output();
        matches!(timeout(ENGINE_LIMIT, info).await, Ok(Ok(output)) if output.status.success())
    }

    /// Starts a container (fetching the image if need be) and waits until it answers. Of the
    /// options, only durability and settings matter.
    ///
    /// # Errors
    /// [`Error::Docker`] if a docker command fails, [`Error::NotUp`] if PostgreSQL does not answer.
    pub async fn start(options: &Options) -> Result<Self, Error> {
        let name = format!("okta-collector-postgres-{}", random::hex::<8>()?);
        let password = random::hex::<16>()?;
        let (reader, rope) = std::io::pipe().map_err(Error::io("make a pipe for", "sh"))?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard", &name])
            .stdin(reader)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::io("run", "sh"))?;
        let mut container = Self {
            name,
            port: 0,
            password,
            rope: rope.into(),
            guard,
        };
        container.run(options).await?;
        Ok(container)
    }

    /// Returns the URL of a database of this server; the database `postgres` exists from the start.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres:{}@127.0.0.1:{}/{database}",
            self.password, self.port
        )
    }

    /// Removes the container and waits until it is gone.
    pub async fn stop(mut self) -> Result<(), Error> {
        drop(self.rope);
        match self.guard.wait().await {
            Ok(status) if status.success() => Ok(()),
            _ => Err(Error::Docker {
                command: "rm",
                output: format!("{} stays", self.name),
            }),
        }
    }

    async fn run(&mut self, options: &Options) -> Result<(), Error> {
        let settings = options.arguments();
        let mut run = docker(&["run", "-d", "--rm", "--name", &self.name]);
        // Without a value the password comes from the environment, where no other user sees it.
        run.args([
            "-p",
            "127.0.0.1::5432",
            "-e",
            "POSTGRES_PASSWORD",
            IMAGE,
            "postgres",
        ]);
        run.args(settings).env("POSTGRES_PASSWORD", &self.password);
        answer("run", run).await?;

        let published = answer("port", docker(&["port", &self.name, "5432/tcp"])).await?;
        let port = published
            .lines()
            .find_map(|line| line.rsplit_once(':')?.1.trim().parse().ok());
        self.port = port.ok_or(Error::Docker {
            command: "port",
            output: published,
        })?;

        let ended = async || {
            let state = docker(&["inspect", "-f", "{{.State.Running}}", &self.name]);
            match answer("inspect", state).await {
                Ok(running) if running.trim() == "true" => None,
                _ => Some("the container ended".into()),
            }
        };
        if let Err(reason) = ready::until_answers(&self.url("postgres"), ended).await {
            let log = answer("logs", docker(&["logs", "--tail", "20", &self.name])).await;
            return Err(Error::NotUp {
                reason,
                log: log.unwrap_or_default(),
            });
        }
        Ok(())
    }
}

fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments).stdin(Stdio::null());
    command
}

async fn answer(name: &'static str, mut command: Command) -> Result<String, Error> {
    let output = command.output().await.map_err(Error::io("run", "docker"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(Error::Docker {
            command: name,
            output: text(&output.stderr),
        })
    }
}
