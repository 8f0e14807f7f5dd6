"""One module for each thing that may be asked."""
