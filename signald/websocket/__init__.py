"""Speaks WebSocket with clients: turns frames into messages, and back.

``base`` is what every connection has, ``rfc6455`` all of the protocol by Autobahn, ``fast`` the few frames that make
up nearly all traffic, ``handshake`` the answer to a usual handshake, ``bearer`` the token in it. ``entrance`` decides
about handshakes, ``refusing`` tells pages why they are not let in.
Removing the fast path leaves a correct daemon.
"""
