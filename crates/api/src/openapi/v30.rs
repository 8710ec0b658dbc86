//! The document in OpenAPI 3.0, for generators that do not read 3.1.
//!
//! Derived from the 3.1 document by rewriting the words whose spelling changed. What has no spelling in
//! 3.0 must not be in the document at all; a test knows those words.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::openapi;

/// One schema below each of these words.
const SCHEMAS: [&str; 3] = ["items", "additionalProperties", "not"];
/// Several below each of these, in a list or by name.
const MANY_SCHEMAS: [&str; 4] = ["allOf", "anyOf", "oneOf", "properties"];

/// The document in OpenAPI 3.0 as text: indented, in a stable order, with a line feed at its end.
pub fn openapi_v30_json() -> String {
    // Panics never: the document is made of strings and numbers only.
    serde_json::to_value(openapi())
        .and_then(|document| serde_json::to_string_pretty(&downgrade(document)))
        .map(|text| text + "\n")
        .unwrap_or_default()
}

fn downgrade(mut document: Value) -> Value {
    let types = Types::of(document.pointer("/components/schemas"));
    if let Some(root) = document.as_object_mut() {
        root.insert("openapi".to_owned(), json!("3.0.3"));
    }
    if let Some(Value::Object(license)) = document.pointer_mut("/info/license")
        && let Some(Value::String(identifier)) = license.remove("identifier")
    {
        let url = format!("https://spdx.org/licenses/{identifier}.html");
        license.insert("url".to_owned(), json!(url));
    }
    if let Some(schemas) = document.pointer_mut("/components/schemas") {
        each(schemas, &types);
    }
    if let Some(paths) = document.get_mut("paths") {
        below_schema(paths, &types);
    }
    // Else the order would depend on what other crates make of JSON objects.
    document.sort_all_objects();
    document
}

/// The types of the named schemas, by reference.
#[derive(Debug)]
struct Types(BTreeMap<String, Value>);

impl Types {
    fn of(schemas: Option<&Value>) -> Self {
        let named = schemas.and_then(Value::as_object).into_iter().flatten();
        let types = named.filter_map(|(name, schema)| {
            let kind = schema.get("type")?.clone();
            Some((format!("#/components/schemas/{name}"), kind))
        });
        Self(types.collect())
    }

    /// The type of a schema that is nothing but a reference.
    fn of_reference(&self, schema: &Value) -> Option<&Value> {
        self.0.get(schema.get("$ref")?.as_str()?)
    }
}

/// Finds the schemas of parameters, headers and bodies.
fn below_schema(value: &mut Value, types: &Types) {
    match value {
        Value::Object(fields) => {
            for (word, value) in fields {
                if word == "schema" {
                    schema(value, types);
                } else {
                    below_schema(value, types);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| below_schema(item, types)),
        _ => {}
    }
}

/// Rewrites one schema and those within.
fn schema(value: &mut Value, types: &Types) {
    let Some(fields) = value.as_object_mut() else {
        return;
    };
    nullable_type(fields);
    nullable_choice(fields, types);
    lone_reference(fields);
    first_example(fields);
    for (word, value) in fields {
        if SCHEMAS.contains(&word.as_str()) {
            schema(value, types);
        } else if MANY_SCHEMAS.contains(&word.as_str()) {
            each(value, types);
        }
    }
}

/// `type: [string, null]` is `type: string, nullable: true`.
fn nullable_type(fields: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = fields.get_mut("type") else {
        return;
    };
    types.retain(|one| one != "null");
    if let [only] = types.as_slice() {
        let only = only.clone();
        fields.insert("type".to_owned(), only);
        fields.insert("nullable".to_owned(), json!(true));
    }
}

/// `oneOf: [A, null]` is `allOf: [A], nullable: true`, with the type of `A`, without which `nullable` says
/// nothing; the description moves out of `A`.
fn nullable_choice(fields: &mut Map<String, Value>, types: &Types) {
    let Some(Value::Array(choices)) = fields.get_mut("oneOf") else {
        return;
    };
    let before = choices.len();
    choices.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
    if choices.len() == before {
        return;
    }
    let [only] = choices.as_mut_slice() else {
        return;
    };
    let description = without(only, "description");
    let kind = types.of_reference(only).cloned();
    let choices = json!([only]);
    fields.remove("oneOf");
    fields.insert("allOf".to_owned(), choices);
    fields.insert("nullable".to_owned(), json!(true));
    let more = [("type", kind), ("description", description)];
    for (word, value) in more {
        fields.extend(value.map(|value| (word.to_owned(), value)));
    }
}

/// Words beside a `$ref` are not read: it goes into an `allOf` of its own.
fn lone_reference(fields: &mut Map<String, Value>) {
    if fields.len() > 1
        && let Some(reference) = fields.remove("$ref")
    {
        fields.insert("allOf".to_owned(), json!([{ "$ref": reference }]));
    }
}

/// A schema has one example.
fn first_example(fields: &mut Map<String, Value>) {
    let examples = fields.remove("examples");
    let first = examples.as_ref().and_then(|examples| examples.get(0));
    if let Some(first) = first {
        fields.insert("example".to_owned(), first.clone());
    }
}

/// Rewrites each schema of a list, or each by its name.
fn each(value: &mut Value, types: &Types) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|one| schema(one, types)),
        Value::Array(items) => items.iter_mut().for_each(|one| schema(one, types)),
        _ => {}
    }
}

fn without(value: &mut Value, word: &str) -> Option<Value> {
    value.as_object_mut()?.remove(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(mut value: Value) -> Value {
        let named = json!({"Budget": {"type": "object"}, "Kind": {"type": "string"}});
        schema(&mut value, &Types::of(Some(&named)));
        value
    }

    #[test]
    fn a_type_that_may_be_null_is_nullable() {
        let new = json!({"type": ["string", "null"], "format": "uuid"});
        let old = json!({"type": "string", "nullable": true, "format": "uuid"});
        assert_eq!(rewritten(new), old);
        let plain = json!({"type": "array", "items": {"type": ["null", "integer"]}});
        let old = json!({"type": "array", "items": {"type": "integer", "nullable": true}});
        assert_eq!(rewritten(plain), old);
    }

    #[test]
    fn a_reference_that_may_be_null_is_nullable_and_keeps_its_description() {
        let reference = json!({"$ref": "#/components/schemas/Budget", "description": "left"});
        let old = json!({
            "allOf": [{"$ref": "#/components/schemas/Budget"}],
            "type": "object", "nullable": true, "description": "left",
        });
        assert_eq!(
            rewritten(json!({"oneOf": [reference, {"type": "null"}]})),
            old
        );
        assert_eq!(
            rewritten(json!({"oneOf": [{"type": "null"}, reference]})),
            old
        );
    }

    #[test]
    fn a_described_reference_is_kept_beside_its_description() {
        let new = json!({"$ref": "#/components/schemas/Budget", "description": "left"});
        let old =
            json!({"allOf": [{"$ref": "#/components/schemas/Budget"}], "description": "left"});
        assert_eq!(rewritten(new), old);
        let alone = json!({"$ref": "#/components/schemas/Budget"});
        assert_eq!(rewritten(alone.clone()), alone);
    }

    #[test]
    fn names_of_fields_are_no_words_of_the_language() {
        let fields = json!({"properties": {
            "examples": {"type": "string", "examples": ["a", "b"]},
            "type": {"type": ["string", "null"]},
        }});
        let old = json!({"properties": {
            "examples": {"type": "string", "example": "a"},
            "type": {"type": "string", "nullable": true},
        }});
        assert_eq!(rewritten(fields), old);
    }
}
