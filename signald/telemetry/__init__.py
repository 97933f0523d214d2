"""What operators see: counters, metrics, loop lag, logs.

``counts`` are plain numbers that the hot path raises, ``metrics`` shows them to Prometheus, ``lag`` measures the event
loop, ``logs`` writes lines for people or machines.
"""
