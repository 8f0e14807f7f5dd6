"""Who read or changed whose record."""
