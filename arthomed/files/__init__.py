"""Files of visits and people: taken in safely, kept private, purged on time."""
