"""What the commands of `bench` do that look at runs, tasks and agents."""
