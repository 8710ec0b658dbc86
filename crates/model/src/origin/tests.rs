use proptest::prelude::*;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};

use super::*;

#[test]
fn every_spelling_of_an_org_is_one_origin() {
    let table = [
        ("acme", "https://acme.okta.com"),
        (" ACME.okta.com/ ", "https://acme.okta.com"),
        ("acme.okta.com.", "https://acme.okta.com"),
        ("acme.okta.com..//", "https://acme.okta.com"),
        ("acme.okta.com:443", "https://acme.okta.com"),
        ("acme.okta.com:", "https://acme.okta.com"),
        ("HTTPS://Acme.Okta.Com", "https://acme.okta.com"),
        (
            "https://acme-admin.okta.com/admin/dashboard?x",
            "https://acme.okta.com",
        ),
        ("acme-admin", "https://acme.okta.com"),
        ("acme-admin-admin.okta.com", "https://acme.okta.com"),
        ("acme.okta.com?from=https://x", "https://acme.okta.com"),
        ("acme.okta.com#a@b", "https://acme.okta.com"),
        ("acme.okta.com\\admin", "https://acme.okta.com"),
        ("https://acme", "https://acme.okta.com"),
        ("https:/acme.okta.com", "https://acme.okta.com"),
        ("https:acme.okta.com/x", "https://acme.okta.com"),
        ("//acme.okta.com/x", "https://acme.okta.com"),
        ("\"https://acme.okta.com\"", "https://acme.okta.com"),
        ("'acme.okta.com'", "https://acme.okta.com"),
        ("<https://acme.okta.com/>", "https://acme.okta.com"),
        ("\u{feff}acme.okta.com\u{200b}", "https://acme.okta.com"),
        (
            "https://acme-admin.okta.com/admin/access/api/tokens?from=%2Fapp#/tokens:1@x",
            "https://acme.okta.com",
        ),
        (
            "https://acme-admin.okta-emea.com/reports/system-log-2?since=2026-01-01T00%3A00",
            "https://acme.okta-emea.com",
        ),
        (
            "acme.okta.com/.well-known/okta-organization",
            "https://acme.okta.com",
        ),
        (
            "https://acme.okta.com/oauth2/default/v1/authorize?redirect_uri=http://localhost:8080",
            "https://acme.okta.com",
        ),
        ("trial-1234567.okta.com", "https://trial-1234567.okta.com"),
        ("dev-20982288.okta.com", "https://dev-20982288.okta.com"),
        (
            "integrator-123-admin.okta.com",
            "https://integrator-123.okta.com",
        ),
        ("acme-admin.oktapreview.com", "https://acme.oktapreview.com"),
        ("acme-admin.okta-emea.com", "https://acme.okta-emea.com"),
        ("acme-admin.okta-gov.com", "https://acme.okta-gov.com"),
        ("acme-admin.okta.mil", "https://acme.okta.mil"),
        (
            "acme-admin.okta-miltest.com",
            "https://acme.okta-miltest.com",
        ),
        (
            "acme-admin.trex-govcloud.com",
            "https://acme.trex-govcloud.com",
        ),
        ("id.example.com", "https://id.example.com"),
        ("id-admin.example.com/x", "https://id-admin.example.com"),
        (
            "https://id.example.com:8443/x",
            "https://id.example.com:8443",
        ),
        (
            "anmeldung.bücher.example",
            "https://anmeldung.xn--bcher-kva.example",
        ),
        ("sim:8080", "https://sim:8080"),
        ("localhost", "https://localhost"),
        ("127.0.0.1:9443", "https://127.0.0.1:9443"),
        ("https://[::1]:9443/", "https://[::1]:9443"),
        ("https://[::1]/", "https://[::1]"),
    ];
    for (text, origin) in table {
        assert_eq!(
            Origin::parse(text).map(|o| o.to_string()).as_deref(),
            Ok(origin),
            "{text:?}"
        );
    }
}

#[test]
fn nonsense_is_refused_with_its_own_reason() {
    let host = |text: &str| OriginError::Host(text.to_owned());
    let table = [
        ("", OriginError::Empty),
        (" \t\n", OriginError::Empty),
        ("{yourOktaDomain}", OriginError::Placeholder),
        ("https://{yourOktaDomain}/", OriginError::Placeholder),
        ("yourOktaDomain", OriginError::Placeholder),
        ("https://${yourOktaDomain}", OriginError::Placeholder),
        ("<org>.okta.com", OriginError::Placeholder),
        ("me@acme.com", OriginError::UserInfo),
        ("https://me:secret@acme.okta.com", OriginError::UserInfo),
        (
            "00QCjAl4MlV-WPXMabcdefghij0HmjFx-vbGuaXYZ1",
            OriginError::Token,
        ),
        ("ftp://acme.okta.com", OriginError::Scheme("ftp".to_owned())),
        ("https://https://acme.okta.com", OriginError::SchemeTwice),
        ("https://ftp://acme.okta.com", OriginError::SchemeTwice),
        ("http://HTTPS://acme.okta.com", OriginError::SchemeTwice),
        ("https", host("https")),
        (
            "https://https//acme.okta.com",
            host("https://https//acme.okta.com"),
        ),
        ("https//acme.okta.com", host("https//acme.okta.com")),
        ("{{url}}/api/v1/logs", OriginError::Placeholder),
        ("<yourOktaDomain>", OriginError::Placeholder),
        (
            "http://acme.okta.com/x",
            OriginError::Insecure("acme.okta.com".to_owned()),
        ),
        (
            "http://acme-admin.okta.com",
            OriginError::Insecure("acme.okta.com".to_owned()),
        ),
        ("acme okta com", host("acme okta com")),
        (
            "acme.okta.com, beta.okta.com",
            host("acme.okta.com, beta.okta.com"),
        ),
        ("acme..okta.com", host("acme..okta.com")),
        ("-acme.okta.com", host("-acme.okta.com")),
        ("acme-.okta.com", host("acme-.okta.com")),
        ("acme!.okta.com", host("acme!.okta.com")),
        ("12345", host("12345")),
        ("0x7f.1", host("0x7f.1")),
        ("127.1", host("127.1")),
        ("0177.0.0.1", host("0177.0.0.1")),
        ("https://2130706433/", host("2130706433")),
        ("[fe80::1%25eth0]", host("[fe80::1%25eth0]")),
        ("::1", host(":")),
        ("[zz]", host("[zz]")),
        ("/admin", host("")),
        ("https://", host("")),
        ("...", host("...")),
        ("acme.okta.com:https", OriginError::Port("https".to_owned())),
        ("acme.okta.com:0", OriginError::Port("0".to_owned())),
        ("acme.okta.com:+443", OriginError::Port("+443".to_owned())),
        ("acme.okta.com:65536", OriginError::Port("65536".to_owned())),
        ("okta.com", OriginError::NoOrg("okta.com".to_owned())),
        (
            "https://okta.mil/login",
            OriginError::NoOrg("okta.mil".to_owned()),
        ),
        ("www.okta.com", OriginError::NoOrg("okta.com".to_owned())),
        (
            "https://login.okta.com/?x",
            OriginError::NoOrg("okta.com".to_owned()),
        ),
        (
            "acme.okta.com.com",
            OriginError::SuffixTwice("acme.okta.com.com".to_owned()),
        ),
        (
            "acme.okta.com.okta.com",
            OriginError::SuffixTwice("acme.okta.com.okta.com".to_owned()),
        ),
        (
            "okta.com.okta-emea.com",
            OriginError::SuffixTwice("okta.com.okta-emea.com".to_owned()),
        ),
    ];
    for (text, error) in table {
        let message = error.to_string();
        assert_eq!(Origin::parse(text), Err(error), "{text:?}");
        let advice = ["type", "leave", "put your org", "token field"];
        assert!(
            advice.iter().any(|word| message.contains(word)),
            "{message}"
        );
    }
    let long = format!("{}.example.com", "a".repeat(64));
    assert_eq!(Origin::parse(&long), Err(host(&long)));
}

#[test]
fn messages_never_repeat_what_may_be_secret() {
    for text in [
        "https://me:hunter2@acme.okta.com",
        "00hunter2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let message = Origin::parse(text).unwrap_err().to_string();
        assert!(!message.contains("hunter2"), "{message}");
        assert!(message.contains("acme.okta.com"), "{message}");
    }
}

#[test]
fn http_is_accepted_where_the_caller_allows_it() {
    let sim = Origin::parse_with("http://sim:8080/x", true).unwrap();
    assert_eq!(sim.to_string(), "http://sim:8080");
    assert!(!sim.is_https());
    assert_eq!((sim.host(), sim.port()), (Host::Domain("sim"), 8080));

    assert_eq!(
        Origin::parse_with("http://sim", true).unwrap().to_string(),
        "http://sim"
    );
    assert_eq!(
        Origin::parse_with("http://127.0.0.1", true).unwrap().port(),
        80
    );
    assert_eq!(
        Origin::parse_with("acme", true).unwrap().to_string(),
        "https://acme.okta.com"
    );
}

#[test]
fn an_origin_knows_its_parts() {
    let origin = Origin::parse("acme-admin").unwrap();

    assert_eq!(
        (origin.host(), origin.port()),
        (Host::Domain("acme.okta.com"), 443)
    );
    assert!(origin.is_https() && origin.is_okta_suffix());
    assert_eq!(
        origin.url("/api/v1/logs").as_str(),
        "https://acme.okta.com/api/v1/logs"
    );
    assert_eq!(
        origin.url("//evil.example/?x").host_str(),
        Some("acme.okta.com")
    );
    assert!(!Origin::parse("id.example.com").unwrap().is_okta_suffix());
    assert!(!Origin::parse("notokta.com").unwrap().is_okta_suffix());
}

#[test]
fn only_urls_of_the_same_origin_are_the_same() {
    let origin = Origin::parse("acme").unwrap();
    let same = |url: &str| origin.same_origin(&Url::parse(url).unwrap());

    assert!(same("https://acme.okta.com/api/v1/logs?after=1"));
    assert!(same("https://ACME.okta.com:443/"));
    let others = [
        "http://acme.okta.com/",
        "https://acme.okta.com:8443/",
        "https://acme-admin.okta.com/",
        "https://acme.okta.com.evil.example/",
        "https://evil@acme.okta.com/",
        "https://acme.okta.com@evil.example/",
        "data:text/plain,x",
    ];
    for other in others {
        assert!(!same(other), "{other}");
    }
}

#[test]
fn stored_origins_are_read_back() {
    let read = |text: &str| -> Result<Origin, ValueError> {
        let text: StrDeserializer<'_, ValueError> = text.into_deserializer();
        Origin::deserialize(text)
    };

    assert_eq!(
        read("http://sim:8080").unwrap().to_string(),
        "http://sim:8080"
    );
    assert!(read("{yourOktaDomain}").is_err());
}

proptest! {
    #[test]
    fn reading_any_text_never_panics_and_is_stable(text in "\\PC{0,40}|[a-z0-9.:/@\\[\\]-]{0,40}|[a-z-]{0,9}(-admin)*\\.okta\\.com") {
        if let Ok(origin) = Origin::parse_with(&text, true) {
            let again = Origin::parse_with(&origin.to_string(), true);
            prop_assert_eq!(again.as_ref(), Ok(&origin));
            prop_assert!(origin.same_origin(&origin.url("/api/v1/logs")));
            prop_assert!(!origin.to_string().ends_with(['/', '.']));
        }
    }

    #[test]
    fn an_org_name_survives(org in "[a-z][a-z0-9-]{0,20}[a-z0-9]") {
        prop_assume!(!OKTA_SITES.contains(&org.as_str()));
        prop_assume!(!org.ends_with("-admin") && org != "localhost" && !org.starts_with("xn--"));
        let origin = Origin::parse(&format!("https://{org}-admin.okta.com/x")).unwrap();
        prop_assert_eq!(origin.to_string(), format!("https://{org}.okta.com"));
    }
}
