"""Decides what signald does, without any input or output: messages, sessions, matching, limits.

Nothing here imports Twisted, reads a clock, opens a socket or draws a random number. Time (seconds, monotonic) and
identities are passed in, and what is to be done comes back as values. A test imports this package in a process of
its own and looks at ``sys.modules``.
"""
