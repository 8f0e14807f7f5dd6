"""What a developer's machine needs besides the application: real servers and their supervisor."""
