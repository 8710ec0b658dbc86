CREATE TABLE sources (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT collector_uuid(),
    display_name text NOT NULL CHECK (display_name <> ''),
    credential_id uuid NOT NULL,
    timezone text NOT NULL,
    refresh_seconds integer NOT NULL CHECK (refresh_seconds BETWEEN 10 AND 2592000),
    -- NULL: the oldest event that Okta has.
    start_at timestamptz,
    filter text,
    -- Okta's `q`.
    keywords text,
    enabled boolean NOT NULL DEFAULT true,
    -- The org of the first contact; the source stays with it.
    org_id text,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT collector_now(),
    updated_at timestamptz NOT NULL DEFAULT collector_now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES credentials (tenant_id, id)
);
CREATE INDEX sources_credential ON sources (tenant_id, credential_id);

-- A numbered sequence of batches. Every append first locks the source's live row, then its own.
CREATE TABLE logs (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT collector_uuid(),
    source_id uuid NOT NULL,
    kind text NOT NULL DEFAULT 'live' CHECK (kind IN ('live')),
    next_number bigint NOT NULL DEFAULT 1 CHECK (next_number > 0),
    -- Day of the newest batch; never decreases.
    day date NOT NULL,
    first_day date NOT NULL,
    cursor text,
    -- The query the cursor belongs to; another one means a restart at the watermark.
    cursor_query text,
    watermark timestamptz,
    newest_published timestamptz,
    stored bigint NOT NULL DEFAULT 0,
    last_poll_at timestamptz,
    last_success_at timestamptz,
    last_event_at timestamptz,
    trouble text,
    trouble_detail text,
    trouble_at timestamptz,
    failures integer NOT NULL DEFAULT 0,
    -- Equal unreadable answers in a row, and since when.
    malformed integer NOT NULL DEFAULT 0,
    malformed_since timestamptz,
    malformed_hash bytea,
    -- How often the cursor was refused and reading fell back to the watermark.
    fallbacks bigint NOT NULL DEFAULT 0,
    -- Reading again what is stored, after a fallback, until the first new event.
    rereading boolean NOT NULL DEFAULT false,
    -- Most days that a stored event was dated ahead of its receipt; those over 95 do not count.
    ahead_days smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50);
CREATE INDEX logs_source ON logs (tenant_id, source_id);
CREATE UNIQUE INDEX logs_live ON logs (tenant_id, source_id) WHERE kind = 'live';

-- Bodies that could not be read as a page, put aside after 20 equal failures over 6 hours.
CREATE TABLE quarantined_pages (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT collector_uuid(),
    source_id uuid NOT NULL,
    cursor text,
    next_cursor text,
    problem text NOT NULL,
    body bytea NOT NULL,
    -- The hours this page may hide: from the watermark to the quarantine.
    gap_from timestamptz,
    gap_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT collector_now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX quarantined_pages_source ON quarantined_pages (tenant_id, source_id, id);

-- Per source and hour of `published` (of receipt for undated events): what happened to events.
CREATE TABLE source_ledger (
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    stored bigint NOT NULL DEFAULT 0,
    late bigint NOT NULL DEFAULT 0,
    duplicate bigint NOT NULL DEFAULT 0,
    reread bigint NOT NULL DEFAULT 0,
    changed bigint NOT NULL DEFAULT 0,
    gap boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, source_id, hour),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70);
