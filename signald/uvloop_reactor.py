"""Twisted on uvloop: less Python between the kernel and each message. See docs/decisions/0012-uvloop.md."""

from twisted.internet import asyncioreactor


def install() -> None:
    """Make it the reactor of this process; ``twistd --reactor=uvloop`` calls it.

    Raises:
        ImportError: uvloop is not installed.
    """
    import uvloop

    asyncioreactor.install(uvloop.new_event_loop())
