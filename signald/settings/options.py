"""The command line of ``twistd signald``: one option for each setting."""

import os
from collections.abc import Sequence

from twisted.python import usage

from signald import __version__
from signald.settings import settings
from signald.settings.settings import Settings, SettingsError
from signald.settings.table import SETTINGS, Setting


def _help(setting: Setting) -> str:
    return f"{setting.meaning} [default: {setting.default or 'empty'}]".replace("`", "")


_ROWS = {row.variable: row for row in SETTINGS}


class Options(usage.Options):
    """One option for each row of `signald.settings.table.SETTINGS`."""

    synopsis = "[options]"
    longdesc = "Each option is also an environment variable (--port is PORT); the option wins."
    optParameters = [[row.option, None, None, _help(row)] for row in SETTINGS if not row.many]  # noqa: RUF012

    optFlags = [["check", None, "Look at the settings, ask the store, say what is wrong, and exit."]]  # noqa: RUF012

    settings: Settings
    words: Sequence[str] = ()

    def __init__(self) -> None:
        super().__init__()
        self._listen: list[str] = []
        self._admin_listen: list[str] = []

    def opt_version(self) -> None:
        """Show signald's version and exit."""
        print(f"signald {__version__}")  # noqa: T201 - asked for
        raise SystemExit(0)

    def opt_listen(self, endpoint: str) -> None:  # noqa: D102 - its docstring is the help text, see below
        self._listen.append(endpoint)

    def opt_admin_listen(self, endpoint: str) -> None:  # noqa: D102 - the same
        self._admin_listen.append(endpoint)

    for _row, _option in ((_ROWS["LISTEN"], opt_listen), (_ROWS["ADMIN_LISTEN"], opt_admin_listen)):
        _option.__doc__ = _help(_row) + " May be given more than once."

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Let a bare ``--debug`` mean ``--debug=true``, as for every setting that is true or false."""
        switches = {f"--{row.option}" for row in SETTINGS if row.is_switch}
        given = list(options or [])
        for at, word in enumerate(given):
            if word in switches and (at + 1 == len(given) or given[at + 1].startswith("-")):
                given[at] = f"{word}=true"
        self.words = given
        super().parseOptions(given)

    def postOptions(self) -> None:
        """Read all settings. A mistake ends the start with one line: a UsageError would print all help before it."""
        given = {row.option: [self[row.option]] for row in SETTINGS if not row.many and self[row.option] is not None}
        given |= {"listen": self._listen, "admin-listen": self._admin_listen}
        try:
            self.settings = settings.parse(os.environ, given)
        except SettingsError as error:
            raise SystemExit(f"signald: {error}") from None
