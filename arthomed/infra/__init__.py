"""Adapters to the outside: database, broker, gateways, logs."""
