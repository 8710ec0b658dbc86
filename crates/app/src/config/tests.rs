use secrecy::ExposeSecret;

use super::*;

const KEY: &str = "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

fn load<const N: usize>(pairs: [(&str, &str); N]) -> Result<Config, Problems> {
    Config::load(&Environment::from(pairs), Wanted::default())
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn every_default_and_most_examples_are_accepted() {
    let config = load([]).unwrap();
    assert_eq!(config.worker.lease, Duration::from_mins(1));
    assert_eq!(config.api.listen.to_string(), "127.0.0.1:8080");
    for setting in SETTINGS
        .iter()
        .filter(|setting| !setting.example.contains(' '))
    {
        (setting.apply)(&mut Config::default(), setting.example).unwrap_or_else(|what| {
            panic!("{}: {what}", setting.variable);
        });
    }
}

#[test]
fn names_of_settings_are_unique() {
    for (n, one) in SETTINGS.iter().enumerate() {
        for other in SETTINGS.iter().skip(n + 1) {
            assert!(
                one.key != other.key && one.variable != other.variable,
                "{}",
                one.key
            );
        }
    }
}

#[test]
fn a_variable_wins_over_the_file() {
    let file = file(
        "[worker]\nlease = \"30s\"\npoll_slots = 3\nrate_share = 0.5\n[okta]\nallow_hosts = [\"sim\", \"10.0.0.0/8\"]\n",
    );
    let environment = Environment::from([("COLLECTOR_LEASE", "10s")]);
    let wanted = Wanted {
        file: Some(file.path()),
        ..Wanted::default()
    };
    let config = Config::load(&environment, wanted).unwrap();
    assert_eq!(config.worker.lease, Duration::from_secs(10));
    assert_eq!(config.worker.poll_slots, 3);
    assert!((config.worker.rate_share - 0.5).abs() < 1e-9);
    assert!(config.okta.allow_hosts.allows_name("sim"));
}

#[test]
fn all_problems_are_told_at_once_with_name_reason_and_example() {
    let file = file("[worker]\nleas = \"30s\"\ndrain = true\n");
    let environment = Environment::from([
        ("COLLECTOR_LEASE", "soon"),
        ("COLLECTOR_RATE_SHARE", "1.5"),
        ("COLLECTOR_API_LISTN", "x"),
        ("COLLECTOR_RETENTION", "30d"),
        ("COLLECTOR_MAX_RETENTION", "10d"),
        ("COLLECTOR_TEST_DATA", "of the test kit"),
    ]);
    let wanted = Wanted {
        file: Some(file.path()),
        needs: &[DATABASE, SEALING],
        ..Wanted::default()
    };
    let text = Config::load(&environment, wanted).unwrap_err().to_string();
    for part in [
        "there are 8 problems",
        "COLLECTOR_LEASE (from the environment): \"soon\" is not a duration",
        "for example: 30s",
        "COLLECTOR_RATE_SHARE",
        "COLLECTOR_API_LISTN: there is no such setting; did you mean COLLECTOR_API_LISTEN?",
        "did you mean worker.lease?",
        "worker.drain in ",
        "COLLECTOR_MAX_RETENTION: it is shorter",
        "COLLECTOR_DATABASE_URL: this command needs it: set COLLECTOR_DATABASE_URL or COLLECTOR_DATABASE_URL_FILE",
        "COLLECTOR_SEALING_KEYS",
    ] {
        assert!(text.contains(part), "{part:?} is missing in:\n{text}");
    }
    assert!(!text.contains("COLLECTOR_TEST_DATA"), "{text}");
}

#[test]
fn secrets_are_read_from_files_and_never_from_two_places() {
    let (url, password, keys) = (
        file("postgres://me@db/collector\n"),
        file("p@ss word\n"),
        file(KEY),
    );
    let name = |file: &tempfile::NamedTempFile| file.path().to_str().unwrap().to_owned();
    let (url_file, password_file, keys_file) = (name(&url), name(&password), name(&keys));
    let config = load([
        ("COLLECTOR_DATABASE_URL_FILE", url_file.as_str()),
        ("COLLECTOR_DATABASE_PASSWORD_FILE", &password_file),
        ("COLLECTOR_SEALING_KEYS_FILE", &keys_file),
    ])
    .unwrap();
    let read = config.database.url.unwrap();
    assert_eq!(
        read.expose_secret(),
        "postgres://me:p%40ss%20word@db/collector"
    );
    assert_eq!(config.sealing.keys.unwrap().expose_secret(), KEY);

    let twice = load([
        ("COLLECTOR_SEALING_KEYS_FILE", keys_file.as_str()),
        ("COLLECTOR_SEALING_KEYS", KEY),
    ]);
    let text = twice.unwrap_err().to_string();
    assert!(
        text.contains("given twice") && !text.contains("AAAA"),
        "{text}"
    );
}

#[test]
fn no_secret_is_part_of_a_message_or_a_listing() {
    let canary = "canary0secret";
    let file = file(&format!(
        "[database]\nurl = \"mysql://me:{canary}@db\"\npassword = \"{canary}\n"
    ));
    let wanted = Wanted {
        file: Some(file.path()),
        ..Wanted::default()
    };
    let text = Config::load(&Environment::default(), wanted)
        .unwrap_err()
        .to_string();
    assert!(text.contains("line 3") && !text.contains(canary), "{text}");

    let url = format!("mysql://me:{canary}@db");
    let keys = format!("k1:{canary}");
    let pairs = [
        ("COLLECTOR_DATABASE_URL", url.as_str()),
        ("COLLECTOR_SEALING_KEYS", &keys),
    ];
    let text = load(pairs).unwrap_err().to_string();
    assert!(
        text.contains("mysql://") && !text.contains(canary),
        "{text}"
    );
    let text = show(&Environment::from(pairs), Wanted::default());
    assert!(
        text.contains("COLLECTOR_SEALING_KEYS = (secret)  [from the environment]"),
        "{text}"
    );
    assert!(text.contains("COLLECTOR_LEASE = 1m  [default]"), "{text}");
    assert!(!text.contains(canary), "{text}");
}

#[test]
fn a_password_in_both_places_is_refused() {
    let url = "postgres://me:one@db/collector";
    let both = load([
        ("COLLECTOR_DATABASE_URL", url),
        ("COLLECTOR_DATABASE_PASSWORD", "two"),
    ]);
    assert!(
        both.unwrap_err()
            .to_string()
            .contains("holds a password already")
    );
}

#[test]
fn an_otlp_endpoint_is_a_plain_base_and_its_headers_are_secret() {
    let config = load([
        ("COLLECTOR_OTLP_ENDPOINT", "https://otlp.example.com/otlp"),
        (
            "COLLECTOR_OTLP_HEADERS",
            "authorization=Basic eA==, x-scope=7,",
        ),
    ]);
    let telemetry = config.unwrap().telemetry;
    let headers = telemetry.otlp_headers.iter();
    let headers: Vec<_> = headers
        .map(|(name, value)| (name.as_str(), value.expose_secret()))
        .collect();
    assert_eq!(headers, [("authorization", "Basic eA=="), ("x-scope", "7")]);
    assert!((telemetry.trace_ratio - 1.0).abs() < 1e-9);
    assert!(
        load([("COLLECTOR_OTLP_ENDPOINT", "")])
            .unwrap()
            .telemetry
            .otlp_endpoint
            .is_none()
    );

    let canary = "canary0secret";
    for (variable, value) in [
        (
            "COLLECTOR_OTLP_ENDPOINT",
            format!("https://me:{canary}@otlp.example.com"),
        ),
        (
            "COLLECTOR_OTLP_ENDPOINT",
            format!("https://otlp.example.com?key={canary}"),
        ),
        ("COLLECTOR_OTLP_ENDPOINT", format!("grpc://{canary}")),
        ("COLLECTOR_OTLP_HEADERS", canary.to_owned()),
        ("COLLECTOR_OTLP_HEADERS", format!("{canary} {canary}=1")),
        ("COLLECTOR_OTLP_HEADERS", format!("x=\u{1}{canary}")),
        ("COLLECTOR_TRACE_RATIO", "1.1".to_owned()),
    ] {
        let text = load([(variable, &value)]).unwrap_err().to_string();
        assert!(text.contains(variable) && !text.contains(canary), "{text}");
    }
}
