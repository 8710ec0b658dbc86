//! The table of settings: name, meaning, default, and how the text becomes a value.

use super::Config;
use super::parse::{
    address, api_key, duration, endpoint, headers, hosts, keys, log_filter, number,
    optional_address, path, postgres_url, ratio, share,
};

/// One setting.
pub(super) struct Setting {
    /// Where it stands in the file: section and name.
    pub(super) key: &'static str,
    /// Its variable.
    pub(super) variable: &'static str,
    /// What holds if it is not set.
    pub(super) default: Option<&'static str>,
    /// A value that could be set.
    pub(super) example: &'static str,
    /// What it means and when to change it.
    pub(super) about: &'static str,
    /// How openly it is treated.
    pub(super) care: Care,
    /// Puts a text into its place.
    pub(super) apply: fn(&mut Config, &str) -> Result<(), String>,
}

/// How openly a setting is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Care {
    /// Shown.
    Plain,
    /// Its value is never shown; it may be read from a file (`*_FILE`).
    Secret,
    /// For tests of this program; not documented.
    Hidden,
}

impl Setting {
    pub(super) fn is_secret(&self) -> bool {
        self.care == Care::Secret
    }

    /// The variable that names a file to read a secret from.
    pub(super) fn file_variable(&self) -> String {
        format!("{}_FILE", self.variable)
    }

    /// The key that names a file to read a secret from.
    pub(super) fn file_key(&self) -> String {
        format!("{}_file", self.key)
    }
}

const PLAIN: Setting = Setting {
    key: "",
    variable: "",
    default: None,
    example: "",
    about: "",
    care: Care::Plain,
    apply: |_, _| Ok(()),
};

/// All settings, in the order in which they are shown.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        key: "database.url",
        variable: "COLLECTOR_DATABASE_URL",
        example: "postgres://collector@db.example.com/collector?sslmode=require",
        about: "PostgreSQL 15 or newer, as a URL. TLS is tried by default and compulsory with `sslmode=require`.",
        care: Care::Secret,
        apply: |config, text| {
            config.database.url = Some(postgres_url(text)?);
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "database.password",
        variable: "COLLECTOR_DATABASE_PASSWORD",
        example: "the file that `init` made, by COLLECTOR_DATABASE_PASSWORD_FILE",
        about: "Password of the database user, where the URL holds none.",
        care: Care::Secret,
        apply: |config, text| {
            config.database.password = (!text.is_empty()).then(|| text.into());
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "database.connections",
        variable: "COLLECTOR_DATABASE_CONNECTIONS",
        default: Some("16"),
        example: "32",
        about: "Most connections of this process to the database.",
        apply: |config, text| {
            config.database.connections = number(text, 2, 1000)?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "database.ca_file",
        variable: "COLLECTOR_DATABASE_CA_FILE",
        example: "/etc/collector/db-ca.pem",
        about: "PEM file of certificate authorities that may sign the database's certificate, besides those of the system.",
        apply: |config, text| {
            config.database.ca_file = path(text);
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "api.listen",
        variable: "COLLECTOR_API_LISTEN",
        default: Some("127.0.0.1:8080"),
        example: "0.0.0.0:8080",
        about: "Address and port of the HTTP API, its probes and metrics. It speaks plain HTTP: put a proxy with TLS before it.",
        apply: |config, text| {
            config.api.listen = address(text)?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "api.first_key",
        variable: "COLLECTOR_FIRST_API_KEY",
        example: "the file that `init` made, by COLLECTOR_FIRST_API_KEY_FILE",
        about: "API key that `migrate` registers as an admin of the tenant `default`, if it is not known. Once revoked it stays so.",
        care: Care::Secret,
        apply: |config, text| {
            config.api.first_key = Some(api_key(text)?);
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "worker.listen",
        variable: "COLLECTOR_WORKER_LISTEN",
        default: Some("127.0.0.1:8081"),
        example: "0.0.0.0:8081",
        about: "Address and port of a worker's probes and metrics; empty: none.",
        apply: |config, text| {
            config.worker.listen = optional_address(text)?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "worker.lease",
        variable: "COLLECTOR_LEASE",
        default: Some("1m"),
        example: "30s",
        about: "How long a job is a worker's without a word from it. A crash delays the jobs of a worker by up to this time.",
        apply: |config, text| {
            config.worker.lease = duration(text, "1s", "1h")?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "worker.drain",
        variable: "COLLECTOR_DRAIN",
        default: Some("20s"),
        example: "1m",
        about: "How long running jobs and requests may go on after SIGTERM; then they are broken off and given back.",
        apply: |config, text| {
            config.worker.drain = duration(text, "0s", "1h")?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "worker.poll_slots",
        variable: "COLLECTOR_POLL_SLOTS",
        default: Some("16"),
        example: "64",
        about: "Sources that a worker polls at once.",
        apply: |config, text| {
            config.worker.poll_slots = number(text, 1, 10_000)?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "worker.deliver_slots",
        variable: "COLLECTOR_DELIVER_SLOTS",
        default: Some("16"),
        example: "64",
        about: "Routes that a worker delivers at once; failing routes have a quarter as many beside them.",
        apply: |config, text| {
            // Four, so that failing routes have a slot at all.
            config.worker.deliver_slots = number(text, 4, 10_000)?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "worker.rate_share",
        variable: "COLLECTOR_RATE_SHARE",
        default: Some("0.9"),
        example: "0.5",
        about: "Part of a token's rate limit that the collector uses at most; above 0.9 Okta may log violations.",
        apply: |config, text| {
            config.worker.rate_share = share(text)?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "worker.retention",
        variable: "COLLECTOR_RETENTION",
        default: Some("7d"),
        example: "30d",
        about: "How long stored events stay after their delivery.",
        apply: |config, text| {
            config.worker.retention = duration(text, "1h", "3650d")?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "worker.max_retention",
        variable: "COLLECTOR_MAX_RETENTION",
        default: Some("90d"),
        example: "180d",
        about: "How long stored events wait for a destination that does not take them; then they are given up and counted.",
        apply: |config, text| {
            config.worker.max_retention = duration(text, "1h", "3650d")?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "worker.probe_interval",
        variable: "COLLECTOR_PROBE_INTERVAL",
        default: Some("15m"),
        example: "5m",
        about: "How often a credential that Okta refused is tried again.",
        apply: |config, text| {
            config.worker.probe_interval = duration(text, "1s", "7d")?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "okta.timeout",
        variable: "COLLECTOR_OKTA_TIMEOUT",
        default: Some("45s"),
        example: "60s",
        about: "How long one request to Okta may take. Okta gives a query 30 s, so it should be longer than that.",
        apply: |config, text| {
            config.okta.timeout = duration(text, "1s", "10m")?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "okta.idle_timeout",
        variable: "COLLECTOR_OKTA_IDLE_TIMEOUT",
        default: Some("20s"),
        example: "30s",
        about: "How long Okta may be silent within an answer that has begun.",
        apply: |config, text| {
            config.okta.idle_timeout = duration(text, "1s", "10m")?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "okta.max_page_bytes",
        variable: "COLLECTOR_MAX_PAGE_BYTES",
        default: Some("33554432"),
        example: "67108864",
        about: "Largest page of events taken, in bytes once decompressed. A larger one is asked for again with a smaller limit.",
        apply: |config, text| {
            config.okta.max_page_bytes = number(text, 64 << 10, 1 << 30)?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "okta.allow_hosts",
        variable: "COLLECTOR_ALLOW_HOSTS",
        default: Some(""),
        example: "127.0.0.0/8,localhost",
        about: "Hosts that users may name for orgs and destinations although they are not public or not https: names, addresses and CIDR ranges. For simulators and private networks.",
        apply: |config, text| {
            config.okta.allow_hosts = hosts(text)?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "files.root",
        variable: "COLLECTOR_FILE_ROOT",
        example: "/var/lib/collector/events",
        about: "Folder below which file destinations write; without it there are no file destinations.",
        apply: |config, text| {
            config.files.root = path(text);
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "sealing.keys",
        variable: "COLLECTOR_SEALING_KEYS",
        example: "the line that `okta-collector sealing keygen` prints",
        about: "Keys that seal the stored secrets, one `name:base64` a line (or with commas between them). The first seals, all open. Without them the secrets are lost: keep a copy apart from the database.",
        care: Care::Secret,
        apply: |config, text| {
            config.sealing.keys = Some(keys(text)?);
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "telemetry.log",
        variable: "COLLECTOR_LOG",
        default: Some("info"),
        example: "info,worker=debug",
        about: "What is logged, on stderr: a level (`error`, `warn`, `info`, `debug`, `trace`), and other levels for parts.",
        apply: |config, text| {
            config.telemetry.log = log_filter(text)?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "telemetry.log_format",
        variable: "COLLECTOR_LOG_FORMAT",
        default: Some("auto"),
        example: "json",
        about: "`json`, `pretty`, or `auto`: pretty on a terminal, else JSON.",
        apply: |config, text| {
            config.telemetry.log_format = text.parse()?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "telemetry.otlp_endpoint",
        variable: "COLLECTOR_OTLP_ENDPOINT",
        example: "http://otel-collector:4318",
        about: "Base address of an OTLP endpoint (HTTP with protobuf) for spans and metrics; `/v1/traces` and `/v1/metrics` are put behind it. Without it nothing of that runs.",
        apply: |config, text| {
            config.telemetry.otlp_endpoint = endpoint(text)?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "telemetry.otlp_headers",
        variable: "COLLECTOR_OTLP_HEADERS",
        example: "authorization=Bearer 0123abc",
        about: "Headers of every OTLP request, as hosted endpoints want them: `name=value`, with commas between them.",
        care: Care::Secret,
        apply: |config, text| {
            config.telemetry.otlp_headers = headers(text)?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "telemetry.trace_ratio",
        variable: "COLLECTOR_TRACE_RATIO",
        default: Some("1"),
        example: "0.05",
        about: "Part of the traces that is sent, from 0 to 1. A request that comes with a trace of its own goes by that.",
        apply: |config, text| {
            config.telemetry.trace_ratio = ratio(text)?;
            Ok(())
        },
        ..PLAIN
    },
    Setting {
        key: "test.stop_at",
        variable: "COLLECTOR_TEST_STOP_AT",
        example: "sent:3",
        about: "For tests: prints `stopped at <point>` to stderr at the given pass of a point, and stands still for ever, to be killed.",
        care: Care::Hidden,
        apply: |config, text| {
            config.test.stop_at = Some(text.parse().map_err(super::parse::told)?);
            Ok(())
        },
        ..PLAIN
    },
];
