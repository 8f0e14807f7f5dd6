"""People: patients, doctors, receptionists and admins."""
