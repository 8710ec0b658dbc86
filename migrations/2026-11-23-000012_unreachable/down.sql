ALTER TABLE logs DROP COLUMN unreachable_before;
