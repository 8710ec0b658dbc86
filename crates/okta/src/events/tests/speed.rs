use std::time::Instant;

use super::*;

/// Run with `cargo test -p okta --release -- --ignored --nocapture speed`.
#[test]
#[ignore = "a measurement, of use in release builds only"]
fn speed_of_cutting() {
    let event = typical_event();
    let page = format!("[{}]", vec![event.as_str(); 1000].join(","));
    let time = |what: &str, run: &dyn Fn(Vec<u8>) -> usize| {
        let rounds = 200;
        let pages = vec![page.clone().into_bytes(); rounds];
        let start = Instant::now();
        let sum: usize = pages.into_iter().map(run).sum();
        let seconds = start.elapsed().as_secs_f64();
        let megabytes = f64::from(u32::try_from(page.len() * rounds).unwrap()) / 1e6;
        println!(
            "{what}: {:.0} MB/s ({} bytes an event, {sum})",
            megabytes / seconds,
            event.len()
        );
    };
    time("cut", &|page| cut(page).len());
    time("cut, identity, content", &|page| {
        let hash = |e: EventRef<'_>| usize::from(e.identity()[0]) + usize::from(e.content()[0]);
        cut(page).iter().map(hash).sum()
    });
}

/// A sign-in with the fields, and about the size, of a real one.
fn typical_event() -> String {
    let geo = r#"{"city":"Springfield","state":"Oregon","country":"United States","postalCode":"97477","geolocation":{"lat":44.0462,"lon":-123.022}}"#;
    format!(
        r#"{{"actor":{{"id":"00u1a2b3c4d5e6f7g8h9","type":"User","alternateId":"jane.doe@example.com","displayName":"Jane Doe","detailEntry":null}},"client":{{"userAgent":{{"rawUserAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36","os":"Mac OS X","browser":"CHROME"}},"zone":"null","device":"Computer","id":null,"ipAddress":"198.51.100.7","geographicalContext":{geo}}},"device":null,"authenticationContext":{{"authenticationProvider":null,"credentialProvider":null,"credentialType":null,"issuer":null,"interface":null,"authenticationStep":0,"rootSessionId":"102abcDEFghiJKLmnoPQRstu","externalSessionId":"102abcDEFghiJKLmnoPQRstu"}},"displayMessage":"User login to Okta","eventType":"user.session.start","outcome":{{"result":"SUCCESS","reason":null}},"published":"2026-01-02T03:04:05.678Z","securityContext":{{"asNumber":64500,"asOrg":"example networks","isp":"example isp","domain":"example.net","isProxy":false}},"severity":"INFO","debugContext":{{"debugData":{{"requestId":"5892d8bb399d05196ec0d210c162bb5b","dtHash":"0f3c1d9f6a0b4f0e8d7c6b5a493827160f3c1d9f6a0b4f0e8d7c6b5a49382716","requestUri":"/idp/idx/identify","threatSuspected":"false","url":"/idp/idx/identify?"}}}},"legacyEventType":"core.user_auth.login_success","transaction":{{"type":"WEB","id":"5892d8bb399d05196ec0d210c162bb5b","detail":{{}}}},"uuid":"{UUID}","version":"0","request":{{"ipChain":[{{"ip":"198.51.100.7","geographicalContext":{geo},"version":"V4","source":null}}]}},"target":null}}"#
    )
}
