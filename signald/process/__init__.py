"""Runs the process itself: signals, limit on open files, garbage collection, workers, systemd.

``root`` is the top service, ``life`` tells whether it ends, ``workers`` the parent of many processes, ``notify`` speaks
to systemd, ``files`` raises the limit on open files, ``garbage`` tunes the collector.
"""
