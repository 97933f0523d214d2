"""Serves HTTP beside the WebSocket: the demo page, probes, the operator's API.

``pages`` is the tree of all paths and ``resources`` what it is made of, ``probes`` answers supervisors, ``api`` is HTTP
of the operator's API and ``admin`` its paths; ``static/`` is the demo page.
"""
