"""Listens and accepts: endpoints, TLS, and what tells a WebSocket from a web request.

``front`` reads the first bytes of each connection, ``upgrade`` the usual handshake in them, ``head`` other ways of
saying the same; ``endpoints`` the words after ``--listen``, ``tls`` certificates; ``accepted`` makes accepted sockets
cheap.
"""
