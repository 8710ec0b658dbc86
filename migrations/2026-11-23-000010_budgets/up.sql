-- Made anew: what is in it is worth nothing a minute later.
DROP TABLE budgets;
-- What one token or app of one org may still ask in Okta's present window (crates/model/src/budget.rs).
CREATE UNLOGGED TABLE budgets (
    tenant_id uuid NOT NULL,
    origin text NOT NULL,
    fingerprint bytea NOT NULL,
    -- The window by Okta's own clock, in seconds since 1970, and its end by ours.
    reset bigint NOT NULL DEFAULT 0,
    ends_at timestamptz NOT NULL DEFAULT '-infinity',
    limit_seen integer NOT NULL DEFAULT 0,
    -- The least that an answer said is left, strangers' use included.
    remaining integer NOT NULL DEFAULT 0,
    begun_at timestamptz NOT NULL DEFAULT '-infinity',
    heard_at timestamptz NOT NULL DEFAULT '-infinity',
    -- Reported requests of ours, sure ones of strangers, and theirs by the second in the window before.
    used integer NOT NULL DEFAULT 0,
    strangers integer NOT NULL DEFAULT 0,
    strangers_before real NOT NULL DEFAULT 0,
    -- Permits drawn by workers and not reported.
    out integer NOT NULL DEFAULT 0,
    -- What may be drawn: of what remains our part, without what is out.
    left_over integer NOT NULL DEFAULT 0,
    -- Before the first answer of a window one request at a time: until when that one may take.
    probing_until timestamptz NOT NULL DEFAULT '-infinity',
    live integer NOT NULL DEFAULT 0,
    live_before integer NOT NULL DEFAULT 0,
    verify integer NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, origin, fingerprint)
) WITH (fillfactor = 50);

-- The org's own limit was met: nobody of the tenant asks this org until then.
CREATE UNLOGGED TABLE org_blocks (
    tenant_id uuid NOT NULL,
    origin text NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, origin)
);
