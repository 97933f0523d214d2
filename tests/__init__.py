"""The tests of signald; `tests.support` is what they share."""
