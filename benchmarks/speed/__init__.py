"""`bench speed`: how fast environments, updates, training and start-up are."""
