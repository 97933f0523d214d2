"""Reads the operator's settings: every variable and option, written once.

``groups`` and ``operating`` list them by theme, ``setting`` says how one is written and read, ``values`` parses each
kind of value, ``settings`` reads them all, ``options`` makes them options of ``twistd signald``.
"""
