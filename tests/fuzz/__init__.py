"""Fuzzers, run by hand for as long as wanted."""
