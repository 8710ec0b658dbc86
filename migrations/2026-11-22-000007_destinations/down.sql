ALTER TABLE dead_letters DROP COLUMN kind;

ALTER TABLE routes
    DROP CONSTRAINT routes_format_check,
    ADD CONSTRAINT routes_format_check CHECK (format IN ('raw'));

ALTER TABLE destinations
    DROP CONSTRAINT destinations_sealed_whole,
    DROP COLUMN secret_set_at,
    DROP COLUMN secret_version,
    DROP COLUMN seal_body,
    DROP COLUMN seal_dek,
    DROP COLUMN seal_kek,
    DROP CONSTRAINT destinations_kind_check,
    ADD CONSTRAINT destinations_kind_check CHECK (kind IN ('file'));
