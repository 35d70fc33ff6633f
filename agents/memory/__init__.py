"""What agents remember: single transitions, whole episodes, fragments of what they have just done."""
