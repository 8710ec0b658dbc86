DROP FUNCTION collector_make_partitions(date, integer);
DROP TABLE batch_ids;
DROP TABLE kept_batches;
DROP TABLE batches;
