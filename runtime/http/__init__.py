"""The executor's HTTP contract: routes, request and answer types, refusals, admission."""
