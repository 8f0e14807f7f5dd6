"""One module for each stage of a file's life."""
