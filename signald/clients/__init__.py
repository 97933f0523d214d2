"""Keeps this instance's clients: who they are, what they send, whether they are still there.

``client`` is one of them; ``clients`` has all of them, and there sessions meet the broker and the wire. ``requests``
answers what is to be answered, ``ending`` sends clients away, ``newcomers`` looks at tokens of handshakes. ``users``
knows who showed which token, ``questions`` what instances ask each other about clients, ``heartbeat`` who still
answers.
"""
