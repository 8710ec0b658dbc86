//! The attributes a filter may name.

/// Attributes of an event; each stands for its parents, too.
const FIELDS: [&str; 56] = [
    "uuid",
    "eventType",
    "version",
    "severity",
    "legacyEventType",
    "displayMessage",
    "actor.id",
    "actor.type",
    "actor.alternateId",
    "actor.displayName",
    "client.userAgent.rawUserAgent",
    "client.userAgent.os",
    "client.userAgent.browser",
    "client.zone",
    "client.device",
    "client.id",
    "client.ipAddress",
    "client.geographicalContext.city",
    "client.geographicalContext.state",
    "client.geographicalContext.country",
    "client.geographicalContext.postalCode",
    "client.geographicalContext.geolocation.lat",
    "client.geographicalContext.geolocation.lon",
    "device.id",
    "device.name",
    "device.os_platform",
    "device.os_version",
    "device.managed",
    "device.registered",
    "authenticationContext.authenticationProvider",
    "authenticationContext.credentialProvider",
    "authenticationContext.credentialType",
    "authenticationContext.issuer.id",
    "authenticationContext.issuer.type",
    "authenticationContext.interface",
    "authenticationContext.authenticationStep",
    "authenticationContext.externalSessionId",
    "authenticationContext.rootSessionId",
    "outcome.result",
    "outcome.reason",
    "target.id",
    "target.type",
    "target.alternateId",
    "target.displayName",
    "transaction.id",
    "transaction.type",
    "request.ipChain.ip",
    "request.ipChain.version",
    "request.ipChain.source",
    "request.ipChain.geographicalContext.city",
    "request.ipChain.geographicalContext.country",
    "securityContext.asNumber",
    "securityContext.asOrg",
    "securityContext.isp",
    "securityContext.domain",
    "securityContext.isProxy",
];

/// Objects whose members are free.
const FREE: [&str; 5] = [
    "debugContext.debugData",
    "transaction.detail",
    "actor.detailEntry",
    "target.detailEntry",
    "target.changeDetails",
];

/// Whether there is such an attribute that filters may use; `published` is none of them.
pub(crate) fn is_known(name: &str) -> bool {
    let below = |name: &str, parent: &str| {
        name.strip_prefix(parent)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') && rest.len() > 1)
    };
    !name.is_empty()
        && (FIELDS.iter().chain(&FREE).any(|known| below(known, name))
            || FREE.iter().any(|parent| below(name, parent)))
}

/// Whether `co` is refused for it.
pub(crate) fn is_not_searched(name: &str) -> bool {
    [
        "debugContext.debugData.url",
        "debugContext.debugData.requestUri",
    ]
    .contains(&name)
}
