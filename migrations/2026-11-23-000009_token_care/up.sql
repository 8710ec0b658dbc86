-- An API token dies after 30 days without use; its day is known from its first success on. Service apps have none.
ALTER TABLE credentials
    ADD COLUMN expires_at timestamptz,
    -- The nearest day before that end that was warned of since the last use.
    ADD COLUMN warned_days smallint,
    -- When it last failed for good: the slow probe keeps its distance from that, whoever wakes it.
    ADD COLUMN refused_at timestamptz;
UPDATE credentials SET expires_at = last_used_at + interval '720 hours' WHERE kind = 'ssws';
UPDATE credentials SET refused_at = state_at WHERE state IN ('rejected', 'expired');

-- A new secret beside the present one until Okta has accepted it; of one that it refused only the reason is kept.
CREATE TABLE credential_rotations (
    tenant_id uuid NOT NULL,
    credential_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'testing' CHECK (state IN ('testing', 'refused')),
    trouble text,
    detail text,
    state_at timestamptz NOT NULL DEFAULT collector_now(),
    origin text NOT NULL,
    kind text NOT NULL,
    client_id text,
    key_id text,
    algorithm text,
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 16),
    secret_version integer NOT NULL CHECK (secret_version > 1),
    seal_kek text,
    seal_dek bytea,
    seal_body bytea,
    PRIMARY KEY (tenant_id, credential_id),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES credentials (tenant_id, id) ON DELETE CASCADE,
    CHECK ((state = 'refused') = (trouble IS NOT NULL)),
    CHECK ((state = 'testing') = (seal_kek IS NOT NULL) AND (seal_kek IS NULL) = (seal_dek IS NULL)
        AND (seal_kek IS NULL) = (seal_body IS NULL))
);

-- Until now the job of a credential slept unless Okta had refused it; from now on it takes care of every one.
UPDATE job_schedule s
SET paused = false, due_at = collector_now() + d.wait, run_at = collector_now() + d.wait
FROM (SELECT id, random() * interval '1 day' AS wait FROM jobs WHERE kind = 3) d
WHERE s.job_id = d.id AND s.paused AND s.owner IS NULL;
