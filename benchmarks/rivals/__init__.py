"""Our learners beside those of others, on the same task with the same budget."""
