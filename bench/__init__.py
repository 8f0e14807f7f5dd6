"""Measurements on real servers; README.md describes them."""
