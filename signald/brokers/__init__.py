"""Pairs clients and routes between them: one interface, one implementation for each way to scale."""
