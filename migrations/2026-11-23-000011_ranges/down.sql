-- Events of backfills go with their logs; events that verification found stay as if they had been polled.
DELETE FROM jobs WHERE kind IN (5, 6);
DELETE FROM job_lanes WHERE kind IN (5, 6);
DROP TABLE verifications;
ALTER TABLE source_ledger
    DROP COLUMN verified_at, DROP COLUMN verified_events, DROP COLUMN found,
    DROP COLUMN missing, DROP COLUMN restored, DROP COLUMN not_shown;
ALTER TABLE sources DROP COLUMN verify, DROP COLUMN query_changed_at;
DROP TABLE backfills;
DELETE FROM logs WHERE kind = 'backfill';
ALTER TABLE batch_ids DROP COLUMN hours;
UPDATE batches SET origin = 'poll';
UPDATE kept_batches SET origin = 'poll';
ALTER TABLE batches
    DROP CONSTRAINT batches_origin_check,
    ADD CONSTRAINT batches_origin_check CHECK (origin IN ('poll'));
ALTER TABLE logs
    DROP CONSTRAINT logs_kind_check,
    ADD CONSTRAINT logs_kind_check CHECK (kind IN ('live')),
    DROP COLUMN head_at;
