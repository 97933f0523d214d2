"""Pairing and routing between clients: one interface, one implementation for each way to scale."""
