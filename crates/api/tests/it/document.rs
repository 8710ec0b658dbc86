//! The OpenAPI document: committed, complete, shaped for generated clients.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];

fn document() -> Value {
    serde_json::from_str(&api::openapi_json()).unwrap()
}

/// Every operation, with a name for messages.
fn operations() -> Vec<(String, Value)> {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            assert!(METHODS.contains(&method.as_str()), "{method} {path}");
            operations.push((format!("{method} {path}"), operation.clone()));
        }
    }
    operations
}

fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    let text = value.as_str().unwrap_or_default();
    assert!(!text.is_empty(), "{what} is missing");
    text
}

/// Compares with a file in `openapi/`, or writes it.
fn committed(name: &str, served: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../openapi")
        .join(name);
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        fs::write(&file, served).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let differs = committed
        .lines()
        .zip(served.lines())
        .position(|(one, other)| one != other);
    assert!(
        committed == served,
        "openapi/{name} is out of date (first at line {differs:?}); run \
         `UPDATE_OPENAPI=1 cargo test -p api the_committed` and look at the difference"
    );
}

#[test]
fn the_committed_document_is_the_one_the_server_serves() {
    committed("openapi.json", &api::openapi_json());
}

#[test]
fn the_committed_document_in_3_0_is_the_derived_one() {
    committed("openapi-3.0.json", &api::openapi_v30_json());
}

#[test]
fn the_document_in_3_0_has_no_word_of_3_1() {
    const NEWER: [&str; 17] = [
        "$comment",
        "$defs",
        "$id",
        "$schema",
        "const",
        "contains",
        "contentEncoding",
        "contentMediaType",
        "dependentRequired",
        "else",
        "examples",
        "identifier",
        "if",
        "patternProperties",
        "prefixItems",
        "propertyNames",
        "unevaluatedProperties",
    ];
    // Below `properties` are names, not words.
    fn check(value: &Value, place: &str) {
        if let Some(fields) = value.as_object() {
            let names = place.ends_with("/properties");
            for (word, value) in fields {
                assert!(names || !NEWER.contains(&word.as_str()), "{place}/{word}");
                if word == "type" && !names {
                    assert!(value.is_string() && value != "null", "{place}: {value}");
                }
                if word.starts_with("exclusive") && !names {
                    assert!(value.is_boolean(), "{place}/{word}: {value}");
                }
                check(value, &format!("{place}/{word}"));
            }
            assert!(
                names || fields.len() == 1 || !fields.contains_key("$ref"),
                "{place}"
            );
        }
        for value in value.as_array().into_iter().flatten() {
            check(value, place);
        }
    }
    let document: Value = serde_json::from_str(&api::openapi_v30_json()).unwrap();
    assert_eq!(document["openapi"], "3.0.3");
    check(&document, "");
}

#[test]
fn the_document_in_3_0_has_everything_the_other_one_has() {
    let newer = document();
    let older: Value = serde_json::from_str(&api::openapi_v30_json()).unwrap();
    let names = |document: &Value, place: &str| -> Vec<String> {
        let fields = document.pointer(place).unwrap().as_object().unwrap();
        fields.keys().cloned().collect()
    };
    for place in [
        "",
        "/paths",
        "/components/schemas",
        "/components/securitySchemes",
    ] {
        assert_eq!(names(&newer, place), names(&older, place), "{place}");
    }
    for name in names(&newer, "/components/schemas") {
        let place = format!("/components/schemas/{name}/properties");
        if newer.pointer(&place).is_some() {
            assert_eq!(names(&newer, &place), names(&older, &place));
        }
    }
}

#[test]
fn the_document_says_who_where_and_under_which_licence() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["license"]["identifier"], "Apache-2.0");
    assert_eq!(document["servers"][0]["url"], "/");
    assert_eq!(document["security"][0]["api_key"], serde_json::json!([]));
    let scheme = &document["components"]["securitySchemes"]["api_key"];
    assert_eq!(
        (&scheme["type"], &scheme["scheme"]),
        (&"http".into(), &"bearer".into())
    );
    text(&document["info"]["title"], "the title");
    text(&document["info"]["contact"]["name"], "the contact");
}

#[test]
fn every_operation_is_named_explained_and_under_one_tag() {
    let document = document();
    let tags: BTreeSet<&str> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let mut ids = BTreeSet::new();
    for (name, operation) in operations() {
        text(&operation["summary"], &format!("the summary of {name}"));
        let id = text(&operation["operationId"], &name).to_owned();
        assert!(id.split_once('_').is_some(), "{id} is no verb_noun");
        assert!(ids.insert(id), "the id of {name} is there twice");
        let [tag] = operation["tags"].as_array().unwrap().as_slice() else {
            panic!("{name} has not exactly one tag");
        };
        assert!(
            tags.contains(tag.as_str().unwrap()),
            "{tag} of {name} is not explained"
        );
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            text(&parameter["description"], &format!("a parameter of {name}"));
            assert!(
                !parameter["schema"]["type"].is_array(),
                "{name}: a nullable parameter"
            );
        }
    }
}

#[test]
fn every_operation_documents_its_success_and_its_problems() {
    for (name, operation) in operations() {
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            text(&response["description"], &format!("{status} of {name}"));
        }
        assert!(!responses.contains_key("default"), "{name}");
        for range in ["4XX", "5XX"] {
            let schema = &responses[range]["content"]["application/problem+json"]["schema"];
            assert_eq!(
                schema["$ref"], "#/components/schemas/Problem",
                "{range} of {name}"
            );
        }
        assert!(
            responses.keys().any(|status| status.starts_with('2')),
            "{name}"
        );
    }
}

#[test]
fn health_needs_no_key_and_the_rest_does() {
    for (name, operation) in operations() {
        let open = operation["security"] == serde_json::json!([{}]);
        assert_eq!(
            open,
            !name.contains("/v1/"),
            "{name}: {}",
            operation["security"]
        );
    }
}

#[test]
fn schemas_have_shapes_that_generated_clients_understand() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        text(
            &schema["description"],
            &format!("the description of {name}"),
        );
        for word in ["oneOf", "anyOf", "discriminator"] {
            assert!(schema.get(word).is_none(), "{name} is a union");
        }
        let empty = Map::new();
        let fields = schema["properties"].as_object().unwrap_or(&empty);
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let request = name.ends_with("Create") || name.ends_with("Patch") || name == "FileSettings";
        for (field, shape) in fields {
            let whole = format!("{name}.{field}");
            // Of a nullable reference it stands at the reference.
            let nullable = &shape["oneOf"][0];
            let described = if nullable.is_object() {
                nullable
            } else {
                shape
            };
            text(
                &described["description"],
                &format!("the description of {whole}"),
            );
            if !request {
                assert!(
                    required.contains(&field.as_str()),
                    "{whole} may be missing in an answer"
                );
            }
            if field == "items" {
                let item = text(&shape["items"]["$ref"], &whole);
                assert!(
                    item.starts_with("#/components/schemas/"),
                    "{whole} has items without a name"
                );
            }
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(
                    fields
                        .get("$ref")
                        .and_then(Value::as_str)
                        .map(str::to_owned),
                );
                fields.values().for_each(|value| collect(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let document = document();
    let mut used = BTreeSet::new();
    collect(&document, &mut used);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let there: BTreeSet<String> = schemas
        .keys()
        .map(|name| format!("#/components/schemas/{name}"))
        .collect();
    assert_eq!(used, there);
}

#[test]
fn secrets_are_marked_and_in_requests_only() {
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let in_request = ["Create", "Patch", "WebhookHeader"]
            .iter()
            .any(|ending| name.ends_with(ending));
        let Some(properties) = schema["properties"].as_object() else {
            continue;
        };
        for (field, property) in properties {
            let secret = ["token", "read_key", "value", "private_key"].contains(&field.as_str());
            assert!(!secret || in_request, "{name}.{field}");
            assert_eq!(property["format"] == "password", secret, "{name}.{field}");
        }
    }
}
