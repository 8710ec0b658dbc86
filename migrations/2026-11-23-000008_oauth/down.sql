ALTER TABLE credentials
    DROP CONSTRAINT credentials_app_whole,
    DROP COLUMN algorithm,
    DROP COLUMN key_id,
    DROP COLUMN client_id,
    DROP CONSTRAINT credentials_kind_check,
    ADD CONSTRAINT credentials_kind_check CHECK (kind IN ('ssws'));
