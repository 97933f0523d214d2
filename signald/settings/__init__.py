"""The operator's settings: every variable and option, once.

``table`` lists them, ``values`` parses each kind of value, ``settings`` reads them all, ``options`` makes them
options of ``twistd signald``.
"""
