"""Records in the forms of others: long tables, and the JSON of marl-eval in and out."""
