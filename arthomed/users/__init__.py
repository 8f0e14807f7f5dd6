"""Users: patients, doctors, receptionists and admins."""
