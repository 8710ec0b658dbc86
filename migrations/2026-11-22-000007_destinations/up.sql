-- Destinations beyond files have secrets, sealed as those of credentials are: one value, an object.
ALTER TABLE destinations
    DROP CONSTRAINT destinations_kind_check,
    ADD CONSTRAINT destinations_kind_check CHECK (kind IN ('file', 'insightops', 'webhook')),
    ADD COLUMN seal_kek text,
    ADD COLUMN seal_dek bytea,
    ADD COLUMN seal_body bytea,
    -- Grows with every new secret; 0: there has been none.
    ADD COLUMN secret_version integer NOT NULL DEFAULT 0 CHECK (secret_version >= 0),
    ADD COLUMN secret_set_at timestamptz,
    ADD CONSTRAINT destinations_sealed_whole
        CHECK ((seal_kek IS NULL) = (seal_dek IS NULL) AND (seal_kek IS NULL) = (seal_body IS NULL)
            AND (seal_kek IS NULL OR secret_version > 0));

ALTER TABLE routes
    DROP CONSTRAINT routes_format_check,
    ADD CONSTRAINT routes_format_check CHECK (format IN ('raw', 'envelope'));

-- 'refused': not delivered. 'shrunk': delivered smaller than it is; this is the original.
ALTER TABLE dead_letters
    ADD COLUMN kind text NOT NULL DEFAULT 'refused' CHECK (kind IN ('refused', 'shrunk'));
