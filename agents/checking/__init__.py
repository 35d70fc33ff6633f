"""The contract of agents as checks, for anybody's agent."""
