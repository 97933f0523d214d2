"""How much anybody may use: connections, messages, bytes, partners, time.

``admission`` says who may connect, ``pace`` how fast a client may go through partners, ``throttle`` who is read more
slowly, ``deadlines`` what has to be over in time.
"""
