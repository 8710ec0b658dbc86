DROP FUNCTION collector_uuid();
DROP FUNCTION collector_clock();
DROP FUNCTION collector_now();
