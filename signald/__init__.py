"""signald: a WebRTC signaling and random-pairing daemon. Run it with ``twistd signald``."""

__version__ = "1.0.0"
