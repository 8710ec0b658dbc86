-- All SQL takes time from these two functions (docs/adr/0002). The test kit replaces them.
CREATE FUNCTION collector_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
AS 'SELECT now()';

CREATE FUNCTION collector_clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
AS 'SELECT clock_timestamp()';

-- A UUIDv7 of the collector's time; the microseconds stand behind the milliseconds, so that ids that
-- one transaction makes one after the other sort in that order.
CREATE FUNCTION collector_uuid() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(
        overlay(
            overlay(uuid_send(gen_random_uuid()) PLACING substring(int8send(t.micros / 1000) FROM 3) FROM 1 FOR 6)
            -- 0x7000: version 7 and twelve bits of fraction.
            PLACING substring(int8send(28672 + t.micros % 1000 * 4096 / 1000) FROM 7) FROM 7 FOR 2),
        'hex')::uuid
    FROM (SELECT floor(extract(epoch FROM collector_clock()) * 1000000)::bigint AS micros) t
$$;
