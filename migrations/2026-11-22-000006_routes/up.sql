CREATE TABLE destinations (
    tenant_id uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    id uuid NOT NULL DEFAULT collector_uuid(),
    name text NOT NULL CHECK (name <> ''),
    kind text NOT NULL CHECK (kind IN ('file')),
    config jsonb NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT collector_now(),
    updated_at timestamptz NOT NULL DEFAULT collector_now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, name)
);

CREATE TABLE routes (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT collector_uuid(),
    source_id uuid NOT NULL,
    destination_id uuid NOT NULL,
    format text NOT NULL DEFAULT 'raw' CHECK (format IN ('raw')),
    enabled boolean NOT NULL DEFAULT true,
    trouble text,
    trouble_detail text,
    trouble_at timestamptz,
    last_success_at timestamptz,
    delivered bigint NOT NULL DEFAULT 0,
    dead bigint NOT NULL DEFAULT 0,
    given_up bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT collector_now(),
    updated_at timestamptz NOT NULL DEFAULT collector_now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, source_id, destination_id),
    FOREIGN KEY (tenant_id, source_id) REFERENCES sources (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, destination_id) REFERENCES destinations (tenant_id, id)
) WITH (fillfactor = 70);
CREATE INDEX routes_destination ON routes (tenant_id, destination_id);

-- How far a route has delivered in a log: everything before (day, number, index) is settled.
CREATE TABLE route_positions (
    tenant_id uuid NOT NULL,
    route_id uuid NOT NULL,
    log_id uuid NOT NULL,
    day date NOT NULL,
    number bigint NOT NULL,
    index integer NOT NULL DEFAULT 0 CHECK (index >= 0),
    -- The delivery batch in flight ends before this; every retry sends this same range in this same
    -- rendering with a key made of it.
    flight_number bigint,
    flight_index integer,
    flight_format text,
    failures integer NOT NULL DEFAULT 0,
    -- Events in a row refused for one cause, across delivery batches.
    refused_in_row integer NOT NULL DEFAULT 0,
    refused_cause text,
    -- Where that run of refused events began; batches from here on are kept for a recall.
    refused_day date,
    refused_number bigint,
    refused_index integer,
    PRIMARY KEY (tenant_id, route_id, log_id),
    FOREIGN KEY (tenant_id, route_id) REFERENCES routes (tenant_id, id) ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, log_id) REFERENCES logs (tenant_id, id) ON DELETE CASCADE,
    CHECK ((flight_number IS NULL) = (flight_index IS NULL) AND (flight_number IS NULL) = (flight_format IS NULL))
) WITH (fillfactor = 50);
CREATE INDEX route_positions_log ON route_positions (tenant_id, log_id);

-- Per route and hour of `published`: what became of the stored events. Pending is the rest.
CREATE TABLE route_ledger (
    tenant_id uuid NOT NULL,
    route_id uuid NOT NULL,
    hour timestamptz NOT NULL,
    delivered bigint NOT NULL DEFAULT 0,
    dead bigint NOT NULL DEFAULT 0,
    given_up bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, route_id, hour),
    FOREIGN KEY (tenant_id, route_id) REFERENCES routes (tenant_id, id) ON DELETE CASCADE
) WITH (fillfactor = 70);

-- Events that a destination refused for good: kept, visible.
CREATE TABLE dead_letters (
    tenant_id uuid NOT NULL,
    id uuid NOT NULL DEFAULT collector_uuid(),
    route_id uuid NOT NULL,
    log_id uuid NOT NULL,
    number bigint NOT NULL,
    index integer NOT NULL,
    cause text NOT NULL,
    detail text NOT NULL,
    event bytea NOT NULL,
    hour timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT collector_now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, route_id, log_id, number, index),
    FOREIGN KEY (tenant_id, route_id) REFERENCES routes (tenant_id, id) ON DELETE CASCADE
);
