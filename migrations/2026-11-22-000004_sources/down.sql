DROP TABLE source_ledger;
DROP TABLE quarantined_pages;
DROP TABLE logs;
DROP TABLE sources;
