"""What the console script `signald-load` calls."""

import sys
from importlib.util import find_spec


def main() -> int:
    """Run it, or say what is missing.

    Returns:
        The exit status.
    """
    if find_spec("picows") is None:
        sys.stderr.write("signald-load: picows is missing: pip install 'signald[load]'\n")
        return 2
    from signald.load.cli import main as load

    return load()
