-- Bounded reading: backfills with logs of their own, and verification hour by hour.
ALTER TABLE logs
    DROP CONSTRAINT logs_kind_check,
    ADD CONSTRAINT logs_kind_check CHECK (kind IN ('live', 'backfill')),
    -- When live polling last stood at the head: it had seen everything that Okta showed.
    ADD COLUMN head_at timestamptz;

ALTER TABLE batches
    DROP CONSTRAINT batches_origin_check,
    ADD CONSTRAINT batches_origin_check CHECK (origin IN ('poll', 'backfill', 'verify'));

-- Events of a row by ledger hour: hours since 1970, count, hours, count, ... NULL in rows from before this column.
ALTER TABLE batch_ids ADD COLUMN hours integer[];

-- A past range that is read from Okta again, into a log of its own, which also has cursor and trouble.
CREATE TABLE backfills (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT collector_uuid(),
    source_id uuid NOT NULL,
    log_id uuid NOT NULL,
    -- What was asked for, and what of it Okta can show.
    asked_since timestamptz NOT NULL,
    asked_until timestamptz NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL CHECK (until > since),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done', 'cancelled', 'failed')),
    -- Everything published before this is read.
    done_through timestamptz NOT NULL,
    -- End of the request that the log's cursor belongs to.
    chunk_until timestamptz,
    -- How much one request covers; adapts to how dense the log is.
    chunk_seconds integer NOT NULL DEFAULT 14400 CHECK (chunk_seconds > 0),
    duplicate bigint NOT NULL DEFAULT 0,
    changed bigint NOT NULL DEFAULT 0,
    -- How much of the range grew older than Okta keeps events before it was read.
    unread_seconds bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT collector_now(),
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, log_id) REFERENCES logs (tenant_id, id) ON DELETE CASCADE,
    CHECK ((state IN ('done', 'cancelled', 'failed')) = (finished_at IS NOT NULL))
);
CREATE INDEX backfills_source ON backfills (tenant_id, source_id, id);
CREATE INDEX backfills_log ON backfills (tenant_id, log_id);

ALTER TABLE sources
    ADD COLUMN verify text NOT NULL DEFAULT 'daily' CHECK (verify IN ('off', 'hourly', 'daily')),
    -- Since when the present filter and keywords apply: hours before cannot be compared by them.
    ADD COLUMN query_changed_at timestamptz;

ALTER TABLE source_ledger
    -- When the hour was compared with Okta event by event, and how many events Okta showed.
    ADD COLUMN verified_at timestamptz,
    ADD COLUMN verified_events bigint,
    -- Events that only the verification found; events that had been stored and were gone, and those of
    -- them that it brought back; stored events that Okta's bounded queries did not show.
    ADD COLUMN found bigint NOT NULL DEFAULT 0,
    ADD COLUMN missing bigint NOT NULL DEFAULT 0,
    ADD COLUMN restored bigint NOT NULL DEFAULT 0,
    ADD COLUMN not_shown bigint NOT NULL DEFAULT 0;

-- Where the verification of a source stands: its last pass, or the one under way.
CREATE TABLE verifications (
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    started_at timestamptz,
    -- NULL while a pass is under way.
    finished_at timestamptz,
    -- Every hour before this is verified; brought up to date with each pass.
    complete_through timestamptz,
    -- The pass has compared everything before this, and that many events of its hour.
    through timestamptz,
    shown bigint NOT NULL DEFAULT 0,
    -- How many hours one request covers.
    span_hours integer NOT NULL DEFAULT 168 CHECK (span_hours > 0),
    hours bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    found bigint NOT NULL DEFAULT 0,
    missing bigint NOT NULL DEFAULT 0,
    restored bigint NOT NULL DEFAULT 0,
    trouble text,
    trouble_detail text,
    -- Over all passes.
    found_total bigint NOT NULL DEFAULT 0,
    missing_total bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, source_id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50);
INSERT INTO verifications (tenant_id, source_id) SELECT tenant_id, id FROM sources;

-- Sources that are there already are verified too, spread over their first hour.
INSERT INTO job_lanes (tenant_id, kind) SELECT DISTINCT tenant_id, 6 FROM sources ON CONFLICT DO NOTHING;
WITH made AS (INSERT INTO jobs (tenant_id, kind, subject_id) SELECT tenant_id, 6, id FROM sources RETURNING id, tenant_id)
INSERT INTO job_schedule (job_id, lane_id, run_at, due_at)
SELECT m.id, l.id, d.at, d.at FROM made m JOIN job_lanes l ON l.tenant_id = m.tenant_id AND l.kind = 6 AND NOT l.failing
    CROSS JOIN LATERAL (SELECT collector_now() + m.id % 60 * interval '1 minute' AS at) d;
