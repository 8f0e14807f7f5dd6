"""Measurements on real servers; README.md says which and how."""
