Unit files for systemd in `systemd/`: socket activation, readiness, a watchdog fed from the event loop, a hardened
sandbox (exposure 1.3), and a template for one process per core.
