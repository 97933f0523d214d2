"""The web pages of the daemon: health, and the demo page with its files."""
