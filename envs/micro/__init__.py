"""SMAC-like battles: small teams of StarCraft units, without StarCraft."""
