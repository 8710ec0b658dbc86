UPDATE job_schedule s SET paused = true, run_at = 'infinity'
FROM jobs j JOIN credentials c ON c.tenant_id = j.tenant_id AND c.id = j.subject_id
WHERE s.job_id = j.id AND j.kind = 3 AND c.state NOT IN ('rejected', 'expired') AND s.owner IS NULL;
DROP TABLE credential_rotations;
ALTER TABLE credentials
    DROP COLUMN refused_at,
    DROP COLUMN warned_days,
    DROP COLUMN expires_at;
