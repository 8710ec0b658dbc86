DROP TABLE org_blocks;
DROP TABLE budgets;
CREATE UNLOGGED TABLE budgets (
    tenant_id uuid NOT NULL,
    origin text NOT NULL,
    fingerprint bytea NOT NULL,
    left_over integer NOT NULL,
    resets_at timestamptz NOT NULL,
    probing_until timestamptz NOT NULL DEFAULT '-infinity',
    limit_seen integer,
    PRIMARY KEY (tenant_id, origin, fingerprint)
) WITH (fillfactor = 50);
