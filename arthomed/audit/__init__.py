"""The audit trail: which user read or changed which records."""
