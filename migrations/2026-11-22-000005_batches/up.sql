-- A page as stored: NDJSON, compressed. Partitioned by the day of the append.
CREATE TABLE batches (
    tenant_id uuid NOT NULL,
    log_id uuid NOT NULL,
    day date NOT NULL,
    number bigint NOT NULL,
    events integer NOT NULL CHECK (events > 0),
    first_published timestamptz,
    last_published timestamptz,
    received_at timestamptz NOT NULL,
    origin text NOT NULL CHECK (origin IN ('poll')),
    bytes integer NOT NULL,
    -- Runs of events of one ledger hour, in order: hours since 1970, count, hours, count, ...
    hour_runs integer[] NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (tenant_id, log_id, day, number),
    FOREIGN KEY (tenant_id, log_id) REFERENCES logs (tenant_id, id) ON DELETE CASCADE
) PARTITION BY RANGE (day);
-- Compressed already.
ALTER TABLE batches ALTER COLUMN body SET STORAGE EXTERNAL;

-- Batches that a route still needs when their day is dropped.
CREATE TABLE kept_batches (
    tenant_id uuid NOT NULL,
    log_id uuid NOT NULL,
    day date NOT NULL,
    number bigint NOT NULL,
    events integer NOT NULL CHECK (events > 0),
    first_published timestamptz,
    last_published timestamptz,
    received_at timestamptz NOT NULL,
    origin text NOT NULL,
    bytes integer NOT NULL,
    hour_runs integer[] NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (tenant_id, log_id, day, number),
    FOREIGN KEY (tenant_id, log_id) REFERENCES logs (tenant_id, id) ON DELETE CASCADE
);
ALTER TABLE kept_batches ALTER COLUMN body SET STORAGE EXTERNAL;

-- Who is in a batch: per event 16 bytes of identity and 8 of content hash. A batch has up to three
-- rows, so that one event dated far ahead does not make the range of a whole batch useless.
CREATE TABLE batch_ids (
    tenant_id uuid NOT NULL,
    source_id uuid NOT NULL,
    day date NOT NULL,
    log_id uuid NOT NULL,
    number bigint NOT NULL,
    part text NOT NULL CHECK (part IN ('dated', 'ahead', 'undated')),
    first_published timestamptz,
    last_published timestamptz,
    ids bytea NOT NULL CHECK (length(ids) > 0 AND length(ids) % 24 = 0),
    PRIMARY KEY (tenant_id, log_id, day, number, part),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE,
    CHECK ((part = 'undated') = (first_published IS NULL)),
    CHECK ((first_published IS NULL) = (last_published IS NULL))
) PARTITION BY RANGE (day);
CREATE INDEX batch_ids_range ON batch_ids (tenant_id, source_id, last_published, first_published);
CREATE INDEX batch_ids_undated ON batch_ids (tenant_id, source_id) WHERE part = 'undated';
ALTER TABLE batch_ids ALTER COLUMN ids SET STORAGE EXTERNAL;

-- Makes the day partitions of both tables. Attached, not created in place: that needs no exclusive
-- lock on the parent, so readers and writers go on.
CREATE FUNCTION collector_make_partitions(first_day date, days integer) RETURNS integer LANGUAGE plpgsql
SET lock_timeout = '5s' AS $$
DECLARE
    parent text;
    child text;
    d date;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(7234815, 1);
    FOREACH parent IN ARRAY ARRAY['batches', 'batch_ids'] LOOP
        FOR n IN 0 .. days - 1 LOOP
            d := first_day + n;
            child := parent || '_' || to_char(d, 'YYYYMMDD');
            IF to_regclass(child) IS NULL THEN
                -- Attaching takes these for the foreign keys; taken in the order of whoever makes
                -- or deletes a source, or the two would deadlock.
                LOCK TABLE sources, logs IN SHARE ROW EXCLUSIVE MODE;
                EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE, CHECK (day >= %L AND day < %L))',
                    child, parent, d, d + 1);
                EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, d, d + 1);
                made := made + 1;
            END IF;
        END LOOP;
    END LOOP;
    RETURN made;
END
$$;
