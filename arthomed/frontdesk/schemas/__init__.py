"""Schemas of the front desk, one module for each use case."""
