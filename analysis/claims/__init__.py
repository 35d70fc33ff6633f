"""What papers say, in a file, held against numbers."""
