//! Secrets: sealed in the database, and opened at their own place only.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::credential::{AppKey, CredentialKind, Secret};
use model::ids::{CredentialId, SourceId};
use secrecy::ExposeSecret;
use store::sealing::SealingError;
use store::{Credential, CredentialChange, NewCredential};

use crate::common::{House, TOKEN, key_ring, store_at};
use crate::credentials::{id, new_token};

/// Every row of every table as text.
async fn dump(house: &House) -> String {
    let client = house.client().await;
    let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let mut text = String::new();
    for table in client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        for row in client
            .query(&format!("SELECT t::text FROM {table} t"), &[])
            .await
            .unwrap()
        {
            text.push_str(row.get(0));
            text.push('\n');
        }
    }
    text
}

#[tokio::test]
async fn the_token_is_nowhere_in_the_database() {
    let house = House::new().await;
    let source = house.source("acme").await;
    let credential = CredentialId(source.credential_id);
    house
        .store
        .update_credential(house.tenant, credential, new_token(TOKEN), None)
        .await
        .unwrap();
    house
        .store
        .poll_context(house.tenant, SourceId(source.id))
        .await
        .unwrap();

    let dump = dump(&house).await;

    assert!(dump.contains("acme.okta.com"), "the dump is a dump");
    let bytes = TOKEN.as_bytes();
    let hex = |bytes: &[u8]| {
        use std::fmt::Write;
        bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    };
    assert!(!dump.contains(TOKEN) && !dump.to_lowercase().contains(&hex(bytes)));
    // Base64 at any of its three alignments, ends left out.
    for skip in 0..3 {
        let encoded = STANDARD.encode(&bytes[skip..]);
        let (middle, _) = encoded.split_at(encoded.len() - 4);
        assert!(
            !dump.contains(middle) && !dump.contains(&hex(middle.as_bytes())),
            "{middle}"
        );
    }
    let shown = format!(
        "{:?}",
        house
            .store
            .open_credential(house.tenant, credential)
            .await
            .unwrap()
    );
    assert!(!shown.contains(TOKEN), "{shown}");
}

#[tokio::test]
async fn a_token_opens_for_its_own_row_and_with_its_own_key_only() {
    let house = House::new().await;
    let one = house.credential_with("one", "00one").await;
    let two = house.credential_with("two", "00two").await;
    let open = async |credential: &Credential| {
        house
            .store
            .open_credential(house.tenant, id(credential))
            .await
            .unwrap()
            .opened
    };
    match open(&one).await.unwrap() {
        Secret::Ssws(token) => assert_eq!(token.expose_secret(), "00one"),
        other @ Secret::OAuth(_) => panic!("{other:?}"),
    }
    assert_ne!(one.fingerprint, two.fingerprint);

    house.execute(&format!(
        "UPDATE credentials c SET seal_dek = o.seal_dek, seal_body = o.seal_body FROM credentials o WHERE c.id = '{}' AND o.id = '{}'",
        two.id, one.id
    )).await;
    assert!(matches!(open(&two).await, Err(SealingError::Broken(_))));

    let stranger = store_at(house.db.url(), key_ring());
    let opened = stranger
        .open_credential(house.tenant, id(&one))
        .await
        .unwrap();
    assert!(matches!(opened.opened, Err(SealingError::UnknownKey(_))));
    assert_eq!(stranger.missing_sealing_keys().await.unwrap().len(), 1);
    assert!(house.store.missing_sealing_keys().await.unwrap().is_empty());
    assert_eq!(house.store.secrets_by_key().await.unwrap()[0].1, 2);
}

#[tokio::test]
async fn an_old_secret_put_back_does_not_open() {
    let house = House::new().await;
    let credential = house.credential("acme").await;
    house
        .execute("CREATE TABLE backup AS SELECT seal_kek, seal_dek, seal_body FROM credentials")
        .await;
    house
        .store
        .update_credential(house.tenant, id(&credential), new_token("00new"), None)
        .await
        .unwrap();
    house
        .execute(
            "UPDATE credentials c SET seal_dek = b.seal_dek, seal_body = b.seal_body FROM backup b",
        )
        .await;
    let opened = house
        .store
        .open_credential(house.tenant, id(&credential))
        .await
        .unwrap();
    assert!(matches!(opened.opened, Err(SealingError::Broken(_))));
}

fn app(client_id: &str, private_key: &str) -> Secret {
    Secret::OAuth(AppKey {
        client_id: client_id.to_owned(),
        key_id: Some("k1".to_owned()),
        algorithm: "RS256".to_owned(),
        private_key: private_key.into(),
    })
}

#[tokio::test]
async fn a_service_app_keeps_its_budget_when_its_key_is_replaced() {
    let house = House::new().await;
    let make = async |name: &str, secret: Secret| {
        let new = NewCredential {
            name: name.to_owned(),
            origin: "https://acme.okta.com".to_owned(),
            secret,
        };
        let made = house.store.create_credential(house.tenant, new).await;
        made.unwrap()
    };
    let one = make("one", app("0oa1", "key one")).await;
    let same = make("same", app("0oa1", "key two")).await;
    let other = make("other", app("0oa2", "key one")).await;
    let token = make("token", Secret::Ssws("0oa1".into())).await;

    assert_eq!(one.kind(), CredentialKind::OAuth);
    assert_eq!(one.client_id.as_deref(), Some("0oa1"));
    assert_eq!(one.fingerprint, same.fingerprint);
    assert_ne!(one.fingerprint, other.fingerprint);
    assert_ne!(one.fingerprint, token.fingerprint);

    let change = CredentialChange {
        secret: Some(app("0oa1", "key three")),
        ..CredentialChange::default()
    };
    let rotated = house
        .store
        .update_credential(house.tenant, id(&one), change, None)
        .await
        .unwrap();
    let opened = house.store.open_credential(house.tenant, id(&one)).await;

    assert_eq!(rotated.fingerprint, one.fingerprint);
    match opened.unwrap().opened.unwrap() {
        Secret::OAuth(app) => {
            assert_eq!(app.private_key.expose_secret(), "key three");
            assert_eq!(
                (app.client_id.as_str(), app.algorithm.as_str()),
                ("0oa1", "RS256")
            );
        }
        other @ Secret::Ssws(_) => panic!("{other:?}"),
    }
    assert!(!dump(&house).await.contains("key three"));
}
