//! What is shipped beside the program fits it: alerts, dashboard and handbook name metrics that there are.

use std::collections::BTreeSet;
use std::path::Path;

const RULES: &str = "deploy/prometheus/rules.yml";
const DASHBOARD: &str = "deploy/grafana/overview.json";
const HANDBOOK: &str = "docs/OPERATIONS.md";

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// Every name of a metric in a text.
fn named(text: &str) -> BTreeSet<String> {
    let word = |c: char| !(c.is_ascii_lowercase() || c == '_');
    let words = text.split(word);
    // The program itself is called so in spans and settings.
    words
        .filter(|word| word.starts_with("okta_collector_"))
        .map(str::to_owned)
        .collect()
}

/// The name of the family that a series belongs to: a histogram has three.
fn family<'a>(name: &'a str, exported: &BTreeSet<String>) -> &'a str {
    let parts = ["_bucket", "_sum", "_count"];
    let histogram = parts.iter().find_map(|part| name.strip_suffix(part));
    histogram
        .filter(|family| exported.contains(*family))
        .unwrap_or(name)
}

/// Checks what is shipped against a `/metrics` text in which everything has happened.
pub(crate) fn check_names(metrics: &str) {
    let types = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "));
    let exported: BTreeSet<String> = types
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .filter(|name| name.starts_with("okta_collector_"))
        .collect();
    for path in [RULES, DASHBOARD, HANDBOOK] {
        let named = named(&read(path));
        assert!(named.len() > 10, "{path}: {named:?}");
        let missing: Vec<&String> = named
            .iter()
            .filter(|name| !exported.contains(family(name, &exported)))
            .collect();
        assert_eq!(
            missing, [""; 0],
            "{path} names what is not exported: {exported:#?}"
        );
    }
    let told = named(&read(HANDBOOK));
    let untold: Vec<&String> = exported.difference(&told).collect();
    assert_eq!(untold, [""; 0], "exported, and not in {HANDBOOK}");
}

#[test]
fn every_alert_leads_to_a_chapter_of_the_handbook() {
    let (rules, handbook) = (read(RULES), read(HANDBOOK));
    let alerts: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in &alerts {
        assert!(handbook.contains(&format!("\n### {alert}\n")), "{alert}");
        let link = format!("runbook: {HANDBOOK}#{}\n", alert.to_lowercase());
        assert!(rules.contains(&link), "{alert}");
    }
    let chapters = handbook
        .lines()
        .filter_map(|line| line.strip_prefix("### "));
    let chapters: Vec<&str> = chapters.collect();
    assert_eq!(chapters, alerts);
}

#[test]
fn the_dashboard_is_whole() {
    let dashboard: serde_json::Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels
        .iter()
        .map(|panel| panel["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels {
        let place = &panel["gridPos"];
        assert!(
            place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24,
            "{panel}"
        );
        for target in panel["targets"].as_array().unwrap() {
            assert!(
                target["expr"].as_str().unwrap().contains("okta_collector_"),
                "{panel}"
            );
        }
    }
}
