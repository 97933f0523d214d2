"""Limits what anybody may use: connections, messages, bytes, partners, time.

``admission`` says who may connect, ``pace`` how fast a client may go through partners, ``throttle`` slows
down whoever floods, ``deadlines`` ends what takes too long, ``door`` bounds connections that are no WebSockets.
"""
