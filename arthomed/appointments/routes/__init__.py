"""Routes of appointments: of patients, doctors and staff, and of the desk."""
