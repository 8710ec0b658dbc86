DROP TABLE dead_letters;
DROP TABLE route_ledger;
DROP TABLE route_positions;
DROP TABLE routes;
DROP TABLE destinations;
