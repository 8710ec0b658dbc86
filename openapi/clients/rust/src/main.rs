//! The story of docs/CLIENTS.md with the generated Rust client: exit code 0 if all of it came true.
//!
//! It wants COLLECTOR_URL and COLLECTOR_API_KEY, and of an Okta org OKTA_DOMAIN, OKTA_TOKEN and OKTA_NEW_TOKEN.

use std::env::var;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use okta_collector_client::types::{
    CredentialCreate, CredentialPatch, DestinationCreate, DestinationKind, FileSettings, Problem,
    SourceCreate,
};
use okta_collector_client::{Client, Error, ResponseValue};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

const PATIENCE: Duration = Duration::from_secs(60);

/// A client that sends the key with every request.
fn client() -> Result<Client> {
    let mut key = HeaderValue::try_from(format!("Bearer {}", var("COLLECTOR_API_KEY")?))?;
    key.set_sensitive(true);
    let http = reqwest::Client::builder()
        .default_headers(HeaderMap::from_iter([(AUTHORIZATION, key)]))
        .timeout(Duration::from_secs(30))
        .build()?;
    Ok(Client::new_with_client(&var("COLLECTOR_URL")?, http))
}

/// The body of an answer, unless it is a problem.
fn ok<T>(answer: Result<ResponseValue<T>, Error<Problem>>) -> Result<T> {
    match answer {
        Ok(answer) => Ok(answer.into_inner()),
        Err(Error::ErrorResponse(problem)) => {
            let Problem {
                status,
                code,
                detail,
                request_id,
                ..
            } = problem.into_inner();
            Err(anyhow!("{status} {code}: {detail} (request {request_id})"))
        }
        Err(error) => Err(error.into()),
    }
}

/// Looks until it finds something, and returns that.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(anyhow!("waited in vain until {what}"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let client = client()?;

    let body = CredentialCreate::builder()
        .name("story")
        .domain(var("OKTA_DOMAIN")?)
        .token(Some(var("OKTA_TOKEN")?.parse()?));
    let credential = ok(client.create_credential().body(body).send().await)?;
    let body = DestinationCreate::builder()
        .name("story")
        .kind(DestinationKind::File)
        .file(FileSettings {
            path: "story.ndjson".parse()?,
        });
    let destination = ok(client.create_destination().body(body).send().await)?;
    let body = SourceCreate::builder()
        .display_name(Some("Story".parse()?))
        .timezone("Europe/Berlin")
        .refresh_frequency("1h")
        .start(Some("earliest".to_owned()))
        .credential_id(credential.id)
        .destination_ids(vec![destination.id]);
    let source = ok(client.create_source().body(body).send().await)?;

    let status = async || ok(client.get_source_status().source_id(source.id).send().await);
    let before = until("the source shows its check mark and delivers", async || {
        let now = status().await?;
        let delivered = now
            .delivery
            .routes
            .iter()
            .any(|route| route.delivered_events > 0);
        Ok((now.running && delivered).then_some(now))
    })
    .await?;
    let (polling, delivery) = (&before.polling, &before.delivery);
    println!(
        "running: {} events stored, {} and {}",
        polling.stored_events, polling.state, delivery.state
    );

    let body = CredentialPatch::builder().token(Some(var("OKTA_NEW_TOKEN")?.parse()?));
    let rotated = ok(client
        .update_credential()
        .credential_id(credential.id)
        .body(body)
        .send()
        .await)?;
    ok(client.poll_source().source_id(source.id).send().await)?;
    let after = until("polling goes on with the new token", async || {
        let now = status().await?;
        let polled = now.polling.last_success_at > Some(rotated.secret_set_at);
        let grown = now.polling.stored_events > before.polling.stored_events;
        Ok((polled && grown && now.running).then_some(now))
    })
    .await?;
    println!(
        "rotated: {} events stored, credential {}",
        after.polling.stored_events, rotated.fingerprint
    );

    let mut hours = Vec::new();
    let mut cursor = None;
    loop {
        let mut request = client.list_ledger_hours().source_id(source.id).limit(1);
        if let Some(cursor) = cursor {
            request = request.cursor(cursor);
        }
        let page = ok(request.send().await)?;
        hours.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let stored: i64 = hours.iter().map(|hour| hour.stored).sum();
    ensure!(
        stored >= after.polling.stored_events,
        "{stored} in the ledger"
    );
    ensure!(!hours.iter().any(|hour| hour.gap), "{hours:?}");
    for route in &after.delivery.routes {
        let dead = ok(client
            .list_dead_letters()
            .route_id(route.route_id)
            .send()
            .await)?;
        ensure!(dead.items.is_empty(), "{dead:?}");
    }
    println!("ledger: {stored} events stored, no gap; no dead letter");

    // The org goes on making events: what is not delivered yet is given up with the source.
    ok(client
        .delete_source()
        .source_id(source.id)
        .discard(true)
        .send()
        .await)?;
    ok(client
        .delete_destination()
        .destination_id(destination.id)
        .send()
        .await)?;
    ok(client
        .delete_credential()
        .credential_id(credential.id)
        .send()
        .await)?;
    let gone = ok(client.get_source().source_id(source.id).send().await)
        .err()
        .context("the source is still there")?;
    ensure!(gone.to_string().starts_with("404 not_found"), "{gone}");
    println!("deleted");
    Ok(())
}
