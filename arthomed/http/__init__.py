"""Everything that knows Flask and is shared by the features."""
