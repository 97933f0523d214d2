"""Load generator of signald: what one unit of work costs, beside a plain Node `ws` server doing the same.

Run it as `python -m bench MODE`; bench/README.md has the method. Nothing here is imported by the daemon.
"""
