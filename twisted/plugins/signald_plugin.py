"""Names the daemon for twistd. Nothing else is imported until ``signald`` is chosen."""

from twisted.application.service import ServiceMaker

signald = ServiceMaker(
    "signald",
    "signald.start",
    "A WebRTC signaling and random-pairing daemon.",
    "signald",
)
