//! `register`: makes a source with its credential and destination through the API, from one JSON file.
//!
//! What has the name already is left as it is, so a run that broke off is simply repeated.

use anyhow::Context;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::cli::Register;
use crate::client::Client;
use crate::output;

/// The file: bodies of the API's three requests, without the ids that are not known yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    credential: Map<String, Value>,
    destination: Map<String, Value>,
    source: Map<String, Value>,
}

pub(super) async fn run(options: &Register) -> anyhow::Result<()> {
    let name = options.file.display();
    let text = std::fs::read_to_string(&options.file);
    let text = text.with_context(|| format!("cannot read {name}"))?;
    let file: File = serde_json::from_str(&text).with_context(|| {
        format!("{name} is not of the form {{\"credential\": {{..}}, \"destination\": {{..}}, \"source\": {{..}}}}")
    })?;
    let key = std::fs::read_to_string(&options.key_file)
        .with_context(|| format!("cannot read {}", options.key_file.display()))?;
    let client = Client::new(options.api.as_str(), key.trim().into())?;

    let credential = ensure(&client, "credential", "name", file.credential).await?;
    let destination = ensure(&client, "destination", "name", file.destination).await?;
    let mut source = file.source;
    source.insert("credential_id".to_owned(), json!(credential));
    source.insert("destination_ids".to_owned(), json!([destination]));
    let source = ensure(&client, "source", "display_name", source).await?;
    let status = client.url(&format!("/v1/sources/{source}/status"));
    Ok(output::print(&format!("how it is: {status}\n"))?)
}

/// The id of the resource of the body's name, which is made if there is none.
async fn ensure(
    client: &Client,
    what: &str,
    field: &str,
    body: Map<String, Value>,
) -> anyhow::Result<Uuid> {
    let path = format!("/v1/{what}s");
    let name = body.get(field).and_then(Value::as_str);
    let name = name
        .with_context(|| format!("the {what} has no {field}"))?
        .to_owned();
    let found = client.find(&path, field, &name).await?;
    let (did, id) = match found {
        Some(id) => ("found", id),
        None => ("made", client.create(&path, &Value::Object(body)).await?),
    };
    output::print(&format!("{did} the {what} {name}: {id}\n"))?;
    Ok(id)
}
