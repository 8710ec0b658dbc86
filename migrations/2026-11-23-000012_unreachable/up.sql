-- Okta keeps 90 days: what came before this was out of reach when it was asked for. NULL: nothing was.
ALTER TABLE logs ADD COLUMN unreachable_before timestamptz;
