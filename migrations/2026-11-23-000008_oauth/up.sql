-- A credential may be a service app: the private key is what is sealed, the rest tells which app and key it is.
ALTER TABLE credentials
    DROP CONSTRAINT credentials_kind_check,
    ADD CONSTRAINT credentials_kind_check CHECK (kind IN ('ssws', 'oauth')),
    ADD COLUMN client_id text CHECK (client_id <> ''),
    ADD COLUMN key_id text CHECK (key_id <> ''),
    ADD COLUMN algorithm text CHECK (algorithm IN ('RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512')),
    ADD CONSTRAINT credentials_app_whole
        CHECK ((kind = 'oauth') = (client_id IS NOT NULL) AND (kind = 'oauth') = (algorithm IS NOT NULL)
            AND (kind = 'oauth' OR key_id IS NULL));
