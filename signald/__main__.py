"""``python -m signald``: as ``twistd -n --pidfile= signald``, but heeds SIGTERM from the beginning, for containers."""

import sys

from signald.process.early import end_at_sigterm


def main() -> None:
    """Run twistd."""
    end_at_sigterm()
    from twisted.scripts.twistd import run

    sys.argv[:] = ["twistd", "-n", "--pidfile=", "signald", *sys.argv[1:]]
    run()


if __name__ == "__main__":
    main()
