"""Files of appointments and profiles: uploading, scanning, downloading, deleting and purging."""
