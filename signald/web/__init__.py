"""HTTP beside the WebSocket: the demo page, probes, the operator's API.

``pages`` is the resource tree, ``probes`` answers supervisors, ``api`` is HTTP of the operator's API and ``admin`` its
paths; ``static/`` is the demo page.
"""
