"""Serves HTTP beside the WebSocket: the demo page, probes, the operator's API.

``pages`` is the tree of all paths and ``resources`` what it is made of, ``channel`` speaks HTTP. ``files`` sends what
``assets`` makes of ``static/``, the demo page, with a script by ``bundle``. ``probes`` answers supervisors, ``online``
pages that show how many are here. ``api`` is HTTP of the operator's API, ``accounts`` who may use it; ``admin``,
``bans`` and ``inbox`` are its paths. ``console`` is its page, under names that ``hosts`` knows, and ``viewers`` are
told how it goes.
"""
