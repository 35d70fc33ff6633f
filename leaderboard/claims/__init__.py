"""Claims held against records: which runs speak for them, verdicts, and how they are shown."""
