CREATE TABLE tenants (
    id uuid PRIMARY KEY DEFAULT collector_uuid(),
    name text NOT NULL UNIQUE CHECK (name <> ''),
    created_at timestamptz NOT NULL DEFAULT collector_now()
);

-- Only a hash of a key is kept; the public part finds the row.
CREATE TABLE api_keys (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT collector_uuid(),
    public_id text NOT NULL UNIQUE,
    secret_sha256 bytea NOT NULL CHECK (length(secret_sha256) = 32),
    name text NOT NULL CHECK (name <> ''),
    role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    created_at timestamptz NOT NULL DEFAULT collector_now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);

-- A right to read one Okta org. The secret is sealed (crates/store/src/sealing.rs): no column holds it in the clear.
CREATE TABLE credentials (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT collector_uuid(),
    name text NOT NULL CHECK (name <> ''),
    kind text NOT NULL CHECK (kind IN ('ssws')),
    origin text NOT NULL,
    seal_kek text NOT NULL,
    seal_dek bytea NOT NULL,
    seal_body bytea NOT NULL,
    secret_version integer NOT NULL CHECK (secret_version > 0),
    secret_set_at timestamptz NOT NULL DEFAULT collector_now(),
    -- A hash: tells two tokens of a tenant apart; also the budget's name.
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 16),
    org_id text,
    state text NOT NULL DEFAULT 'unverified'
        CHECK (state IN ('unverified', 'valid', 'rejected', 'expiring', 'expired')),
    trouble text,
    trouble_detail text,
    state_at timestamptz NOT NULL DEFAULT collector_now(),
    last_used_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT collector_now(),
    updated_at timestamptz NOT NULL DEFAULT collector_now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name),
    CHECK ((state IN ('rejected', 'expired')) = (trouble IS NOT NULL))
);

-- What one token of one org may still ask in Okta's present window. Worth nothing after a crash.
CREATE UNLOGGED TABLE budgets (
    tenant_id uuid NOT NULL,
    origin text NOT NULL,
    fingerprint bytea NOT NULL,
    left_over integer NOT NULL,
    resets_at timestamptz NOT NULL,
    -- Before the first answer of a window one request at a time: until when that one may take.
    probing_until timestamptz NOT NULL DEFAULT '-infinity',
    limit_seen integer,
    PRIMARY KEY (tenant_id, origin, fingerprint)
) WITH (fillfactor = 50);
