//! How a source tells its status: two halves, each a ladder with a reason and the next step.
//!
//! Workers store the code of a [`Trouble`]; the text around it is made here, when it is read, so
//! that a better sentence needs no migration.

use std::fmt;

/// A rung of the ladder. The check mark of a source needs both halves `Running`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rung {
    /// Nothing has been tried yet.
    Pending,
    /// The first attempt is on its way.
    Connecting,
    /// It works.
    Running,
    /// It will go on by itself: a rate limit, an outage.
    Waiting,
    /// Somebody has to do something.
    ActionNeeded,
    /// Switched off by an operator.
    Paused,
}

impl Rung {
    /// The word shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Connecting => "connecting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::ActionNeeded => "action_needed",
            Self::Paused => "paused",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! troubles {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $rung:ident, $reason:literal, $next:literal;)+) => {
        /// Everything that can keep a half of a source from running, by meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Trouble { $($(#[$doc])* $name,)+ }

        impl Trouble {
            /// All troubles.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The stable word: stored, shown, counted.
            pub fn code(self) -> &'static str { match self { $(Self::$name => $code,)+ } }

            /// Whether it passes by itself (`Waiting`) or not (`ActionNeeded`).
            pub fn rung(self) -> Rung { match self { $(Self::$name => Rung::$rung,)+ } }

            /// What is the matter, for a person.
            pub fn reason(self) -> &'static str { match self { $(Self::$name => $reason,)+ } }

            /// What to do about it, for a person.
            pub fn next_step(self) -> &'static str { match self { $(Self::$name => $next,)+ } }
        }
    };
}

troubles! {
    /// The window of the token's rate limit is used up.
    RateLimited = "rate_limited", Waiting,
        "Okta's rate limit for this token is used up",
        "nothing to do; polling goes on when the window resets";
    /// Too many requests at once in the org.
    TooManyAtOnce = "too_many_at_once", Waiting,
        "the org has too many requests under way at once",
        "nothing to do; polling goes on within seconds";
    /// A 5xx of Okta.
    OktaUnavailable = "okta_unavailable", Waiting,
        "Okta answered with an error of its own",
        "nothing to do; polling is tried again by itself, see status.okta.com if it lasts";
    /// No answer, a cut or a hung one.
    OktaUnreachable = "okta_unreachable", Waiting,
        "Okta could not be reached, or its answer broke off",
        "polling is tried again by itself; check the network between the collector and Okta if it lasts";
    /// An answer that is no page.
    PageMalformed = "page_malformed", Waiting,
        "Okta's answer is not a readable page of events",
        "polling is tried again by itself; a page that stays unreadable is put aside and kept";
    /// 401.
    TokenRefused = "token_refused", ActionNeeded,
        "Okta refused the token: it is mistyped, expired or revoked, its owner was deactivated, or it belongs to another org",
        "create a new API token in the Okta admin console (Security, API, Tokens) and set it on the credential";
    /// The token endpoint refused the service app, or its key is unusable.
    AppRefused = "app_refused", ActionNeeded,
        "Okta refused the service app: the client ID is unknown, the app is not active, or its public keys do not fit the private key",
        "check the client ID and that the app is active, register the public key with it, and set the private key on the credential";
    /// A scope that the app lacks.
    ScopeMissing = "scope_missing", ActionNeeded,
        "the service app may not ask for the scope okta.logs.read",
        "grant okta.logs.read to the app in the Okta admin console (Applications, the app, Okta API Scopes)";
    /// A network zone or a policy.
    AccessDenied = "access_denied", ActionNeeded,
        "Okta refuses the service app at the collector's network address, or by a policy",
        "allow the address that the collector calls from in the network zones of the app, and check the org's policies";
    /// 401 for a token that had been accepted.
    TokenRevoked = "token_revoked", ActionNeeded,
        "Okta no longer accepts the token: it was revoked, its owner was deactivated or suspended, or its network zone shuts the collector out",
        "look up the token and its owner in the Okta admin console (Security, API, Tokens); mend them or set a new token on the credential";
    /// 30 days without use.
    TokenExpired = "token_expired", ActionNeeded,
        "the token was not used for 30 days, and Okta lets such tokens die",
        "create a new API token in the Okta admin console (Security, API, Tokens) and set it on the credential";
    /// 403.
    PermissionMissing = "permission_missing", ActionNeeded,
        "the credential is valid, but the owner of the token, or the service app, may not read the System Log",
        "give the token's owner or the service app the Read-only Administrator role, or use a token of somebody who has it";
    /// No org at the domain.
    NotAnOrg = "not_an_org", ActionNeeded,
        "no Okta org answers at this domain",
        "check the domain of the credential; it is the first part of the address at which you sign in to Okta";
    /// The name does not resolve, and never did.
    DomainNotFound = "domain_not_found", ActionNeeded,
        "the domain does not exist in the DNS",
        "check the domain of the credential for a typing error";
    /// The address is private or reserved.
    DomainNotAllowed = "domain_not_allowed", ActionNeeded,
        "the domain leads to an address that the collector may not call",
        "check the domain of the credential, or have the operator add the host to COLLECTOR_ALLOW_HOSTS";
    /// The credential reads another org than the one the source is bound to.
    ForeignOrg = "foreign_org", ActionNeeded,
        "the credential belongs to another Okta org than the one this source has been reading",
        "use a credential of the same org, or create a new source for the other org";
    /// No answer about a new secret for a day.
    NotTested = "not_tested", ActionNeeded,
        "the new secret could not be tested for a day",
        "check the domain that came with it and the network between the collector and Okta, then set it again";
    /// 400 on a first request.
    QueryRefused = "query_refused", ActionNeeded,
        "Okta refused the query of this source",
        "correct the filter or the keywords of the source";
    /// The secret cannot be opened with the keys at hand.
    SecretSealed = "secret_sealed", ActionNeeded,
        "the stored secret cannot be opened with the sealing keys at hand",
        "give the service the sealing key it was sealed with, or set the secret again";
    /// The job killed its worker several times.
    JobQuarantined = "job_quarantined", ActionNeeded,
        "this job ended with the loss of its worker several times in a row; it now runs alone",
        "look into the worker's log for the cause and report it";
    /// A source without a route.
    NoDestination = "no_destination", ActionNeeded,
        "the source has no destination; its events are stored and wait",
        "add a destination: create a route from this source to it";
    /// The destination does not answer, or answers with a passing error.
    DestinationUnavailable = "destination_unavailable", Waiting,
        "the destination is not taking events at the moment",
        "nothing to do; events are stored and delivery is tried again by itself";
    /// The destination refuses everything.
    DestinationRefuses = "destination_refuses", ActionNeeded,
        "the destination refuses deliveries",
        "correct the settings of the destination; delivery goes on at the same event";
    /// Many events in a row refused for one cause.
    EventsRefused = "events_refused", ActionNeeded,
        "the destination refused 20 events in a row for the same cause; they are kept and delivery has stopped before them",
        "correct the destination or the format of the route, then resume the route";
    /// A stored batch cannot be read back.
    BatchUnreadable = "batch_unreadable", ActionNeeded,
        "a stored batch cannot be read back from the database",
        "restore the database from a backup, or ask for help with the batch named in the detail";
}

impl Trouble {
    /// The trouble of a stored code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|trouble| trouble.code() == code)
    }
}

/// What the polling half of a source is judged by.
#[derive(Clone, Copy, Debug, Default)]
pub struct PollingFacts {
    /// The source is switched on.
    pub enabled: bool,
    /// A poll has begun at least once, or is being run.
    pub begun: bool,
    /// A poll has succeeded under the present settings.
    pub succeeded: bool,
    /// The trouble since the last success, if any: the source's own, else its credential's.
    pub trouble: Option<Trouble>,
}

impl PollingFacts {
    /// The rung.
    pub fn rung(self) -> Rung {
        match self {
            Self { enabled: false, .. } => Rung::Paused,
            Self {
                trouble: Some(trouble),
                ..
            } => trouble.rung(),
            Self {
                succeeded: true, ..
            } => Rung::Running,
            Self { begun: true, .. } => Rung::Connecting,
            _ => Rung::Pending,
        }
    }
}

/// What one route, and so the delivery half, is judged by.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliveryFacts {
    /// The route is switched on.
    pub enabled: bool,
    /// Something has been delivered.
    pub delivered: bool,
    /// Something waits for delivery.
    pub pending: bool,
    /// The trouble since the last success, if any.
    pub trouble: Option<Trouble>,
}

impl DeliveryFacts {
    /// The rung. A route with nothing to deliver and no failure runs.
    pub fn rung(self) -> Rung {
        match self {
            Self { enabled: false, .. } => Rung::Paused,
            Self {
                trouble: Some(trouble),
                ..
            } => trouble.rung(),
            Self {
                delivered: false,
                pending: true,
                ..
            } => Rung::Connecting,
            _ => Rung::Running,
        }
    }
}

/// The rung of several routes together: the worst one.
pub fn worst(rungs: impl IntoIterator<Item = Rung>) -> Option<Rung> {
    let badness = |rung: &Rung| match rung {
        Rung::Running => 0,
        Rung::Pending => 1,
        Rung::Connecting => 2,
        Rung::Paused => 3,
        Rung::Waiting => 4,
        Rung::ActionNeeded => 5,
    };
    rungs.into_iter().max_by_key(badness)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        for trouble in Trouble::ALL {
            assert_eq!(Trouble::from_code(trouble.code()), Some(*trouble));
            assert!(
                matches!(trouble.rung(), Rung::Waiting | Rung::ActionNeeded),
                "{trouble:?}"
            );
        }
    }

    #[test]
    fn polling_climbs_the_ladder() {
        let new = PollingFacts {
            enabled: true,
            ..PollingFacts::default()
        };
        assert_eq!(new.rung(), Rung::Pending);
        let begun = PollingFacts { begun: true, ..new };
        assert_eq!(begun.rung(), Rung::Connecting);
        let running = PollingFacts {
            succeeded: true,
            ..begun
        };
        assert_eq!(running.rung(), Rung::Running);
        assert_eq!(
            PollingFacts {
                trouble: Some(Trouble::RateLimited),
                ..running
            }
            .rung(),
            Rung::Waiting
        );
        assert_eq!(
            PollingFacts {
                trouble: Some(Trouble::TokenRefused),
                ..running
            }
            .rung(),
            Rung::ActionNeeded
        );
        assert_eq!(
            PollingFacts {
                enabled: false,
                ..running
            }
            .rung(),
            Rung::Paused
        );
    }

    #[test]
    fn an_idle_route_runs_and_one_with_work_connects_first() {
        let idle = DeliveryFacts {
            enabled: true,
            ..DeliveryFacts::default()
        };
        assert_eq!(idle.rung(), Rung::Running);
        assert_eq!(
            DeliveryFacts {
                pending: true,
                ..idle
            }
            .rung(),
            Rung::Connecting
        );
        assert_eq!(
            DeliveryFacts {
                trouble: Some(Trouble::DestinationUnavailable),
                ..idle
            }
            .rung(),
            Rung::Waiting
        );
        assert_eq!(
            worst([Rung::Running, Rung::ActionNeeded, Rung::Waiting]),
            Some(Rung::ActionNeeded)
        );
        assert_eq!(worst([]), None);
    }
}
