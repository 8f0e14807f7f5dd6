"""Use cases around visits, one module for each group of them."""
