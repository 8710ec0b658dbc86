-- What there is to do, again and again. One row per subject; work pokes it.
CREATE TABLE jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid REFERENCES tenants ON DELETE CASCADE,
    kind smallint NOT NULL,
    subject_id uuid NOT NULL,
    trace_context text,
    created_at timestamptz NOT NULL DEFAULT collector_now(),
    UNIQUE (kind, subject_id)
);
CREATE INDEX jobs_tenant ON jobs (tenant_id);

-- The jobs of one tenant and one kind; routes that count as failing have a second one.
CREATE TABLE job_lanes (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid REFERENCES tenants ON DELETE CASCADE,
    kind smallint NOT NULL,
    failing boolean NOT NULL DEFAULT false,
    quantum smallint NOT NULL DEFAULT 8 CHECK (quantum > 0),
    UNIQUE NULLS NOT DISTINCT (tenant_id, kind, failing)
);

-- When and who. A lease is `run_at` in the future with an owner; an expired lease is a due row.
CREATE TABLE job_schedule (
    job_id bigint PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    lane_id integer NOT NULL REFERENCES job_lanes,
    run_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    -- The fence: grows with every lease, is never reset.
    epoch bigint NOT NULL DEFAULT 0,
    owner bigint,
    attempt integer NOT NULL DEFAULT 0,
    -- Leases in a row that ended without a word.
    lost integer NOT NULL DEFAULT 0,
    -- Run once more after the running one: 1 asked by new work, 2 by an operator.
    poked smallint NOT NULL DEFAULT 0,
    -- Somebody asked to wait until `run_at` (a backoff, a rate limit): new work does not shorten it.
    held boolean NOT NULL DEFAULT false,
    -- Parked at infinity whenever it does not run.
    paused boolean NOT NULL DEFAULT false
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.05);
-- The only secondary index; each further one costs every claim and every completion.
CREATE INDEX job_schedule_claim ON job_schedule (lane_id, run_at);

CREATE TABLE workers (
    id bigint PRIMARY KEY,
    host text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT collector_now(),
    seen_at timestamptz NOT NULL DEFAULT collector_now()
);

-- The installation's own recurring work.
WITH lane AS (INSERT INTO job_lanes (tenant_id, kind) VALUES (NULL, 4) RETURNING id),
     job AS (INSERT INTO jobs (tenant_id, kind, subject_id) VALUES (NULL, 4, '00000000-0000-7000-8000-000000000001') RETURNING id)
INSERT INTO job_schedule (job_id, lane_id, run_at, due_at)
SELECT job.id, lane.id, collector_now(), collector_now() FROM job, lane;
