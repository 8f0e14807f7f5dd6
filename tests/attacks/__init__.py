"""Attacks on the running product: each test shows one failing."""
