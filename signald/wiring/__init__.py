"""Makes a process from the settings. Nothing else reads settings, and nothing below knows how it was put together.

``builders`` makes the parts, one builder for each package, ``daemon`` puts them together, ``process`` decides what this
process is to be.
"""
