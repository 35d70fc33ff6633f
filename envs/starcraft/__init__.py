"""SMAC and SMACv2 themselves, for those who have StarCraft II."""
