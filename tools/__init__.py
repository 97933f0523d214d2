"""Programs for developers of signald; no part of what is installed."""
