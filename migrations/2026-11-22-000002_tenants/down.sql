DROP TABLE budgets;
DROP TABLE credentials;
DROP TABLE api_keys;
DROP TABLE tenants;
