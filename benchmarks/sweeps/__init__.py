"""Sweeps: many runs, shared by several processes, with leases, retries and progress."""
