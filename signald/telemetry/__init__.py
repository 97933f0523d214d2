"""Shows operators what happens: counters, metrics, the lag of the event loop, logs.

``counts`` are plain numbers that the hot path raises, ``gauges`` what is asked for, ``metrics`` shows both to
Prometheus, ``lag`` measures the event loop, ``logs`` writes lines for people or machines.
"""
