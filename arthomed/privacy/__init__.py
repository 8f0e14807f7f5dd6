"""Privacy: export and erasure of one's own data, and access to the audit trail."""
