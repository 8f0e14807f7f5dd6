"""Visits: booking them, and what becomes of them."""
