"""The subprocess that reads uploaded files with libraries written in C, under hard resource limits.

`files.cleaner` starts it as `python -m arthomed.files.cleaning`. It imports nothing else of the application, so that
it starts within 50 ms and loads no secrets.
"""
