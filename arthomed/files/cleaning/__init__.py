"""What runs in a process of its own with hard limits: reading strangers' files with libraries written in C.

Started by `files.content` as `python -m arthomed.files.cleaning`. Nothing here imports the application, so that
the process starts in a twentieth of a second and holds no secret.
"""
