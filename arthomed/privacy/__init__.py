"""What people may ask about their own data, and who looked at it."""
