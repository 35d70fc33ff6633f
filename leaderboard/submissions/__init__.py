"""Records that others submit: made into a folder, and checked without trusting them."""
