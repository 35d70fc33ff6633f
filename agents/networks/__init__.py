"""Networks of whole stacks: S seeds x M members as batched matrix products."""
