//! Fields of bodies, good and bad.

use secrecy::ExposeSecret;
use serde_json::json;
use utoipa::ToSchema;

use super::*;

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Request {
    name: String,
    #[schema(nullable = false)]
    inner: Option<Inner>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct Inner {
    token: String,
    #[schema(nullable = false)]
    on: Option<bool>,
}

type Read = (String, Option<String>);
type Errors = Vec<(String, String)>;

fn read(body: Value) -> Result<Read, Errors> {
    let mut fields = Fields::of::<Request>(body);
    let name = fields.text("name", 5);
    let token = fields.nested::<Inner, _>("inner", |inner| {
        inner.flag("on");
        inner.token("token")
    });
    let token = token.map(|token| token.expose_secret().to_owned());
    let errors = fields
        .errors
        .iter()
        .map(|error| {
            (
                error.pointer.clone().unwrap_or_default(),
                error.code.clone(),
            )
        })
        .collect();
    fields.finish(|| Some((name?, token))).map_err(|_| errors)
}

fn errors(body: Value) -> Errors {
    read(body).unwrap_err()
}

fn error(pointer: &str, code: &str) -> (String, String) {
    (pointer.to_owned(), code.to_owned())
}

#[test]
fn everything_that_is_wrong_is_named_at_once() {
    let body = json!({"nmae": "x", "inner": {"on": "yes", "token": "a b", "a/b": 1}});
    assert_eq!(
        errors(body),
        [
            error("/nmae", "unknown_field"),
            error("/name", "required"),
            error("/inner/a~1b", "unknown_field"),
            error("/inner/on", "wrong_type"),
            error("/inner/token", "invalid_token"),
        ]
    );
}

#[test]
fn bodies_of_another_type_are_refused() {
    for body in [json!([]), json!("x"), json!(null), json!(7)] {
        assert_eq!(errors(body), [error("", "wrong_type")]);
    }
}

#[test]
fn texts_have_rules() {
    for (name, code) in [
        (json!(""), "empty"),
        (json!("  "), "empty"),
        (json!("toolong"), "too_long"),
        (json!("a\u{0}b"), "control_character"),
        (json!("a\nb"), "control_character"),
        (json!(7), "wrong_type"),
        (json!(null), "wrong_type"),
    ] {
        assert_eq!(errors(json!({ "name": name })), [error("/name", code)]);
    }
    assert_eq!(read(json!({"name": " äöüéñ "})).unwrap().0, "äöüéñ");
}

#[test]
fn tokens_are_cleaned_and_checked() {
    let token = |text: &str| {
        let body = json!({"name": "x", "inner": {"token": text}});
        read(body).map(|(_, token)| token.unwrap())
    };
    assert_eq!(token("SSWS 00abc"), Ok("00abc".to_owned()));
    assert_eq!(token(" 00abc\n"), Ok("00abc".to_owned()));
    for (text, code) in [
        ("", "empty"),
        ("SSWS ", "empty"),
        ("a b", "invalid_token"),
        ("a\r\nX-Evil: 1", "invalid_token"),
        ("tökén", "invalid_token"),
        (&"x".repeat(513), "too_long"),
    ] {
        assert_eq!(
            token(text),
            Err(vec![error("/inner/token", code)]),
            "{text:?}"
        );
    }
}
