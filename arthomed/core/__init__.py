"""Small things that every feature may use; no feature and no Flask in here."""
