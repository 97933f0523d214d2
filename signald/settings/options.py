"""Reads the command line of ``twistd signald``: one option for each setting."""

import inspect
import os
from collections.abc import Sequence

from twisted.python import usage

from signald.settings import settings
from signald.settings.setting import Group, Setting, SettingsError, settings_of
from signald.settings.settings import GROUPS, SETTINGS, Settings


def _help(setting: Setting) -> str:
    text = f"{setting.help} [default: {setting.default or 'empty'}]".replace("`", "")
    return f"{text} May be given more than once." if setting.many else text


class Options(usage.Options):
    """One option for each of the settings."""

    synopsis = "[options]"
    longdesc = "Each option is also an environment variable (--port is PORT); the option wins."
    optParameters = [[each.option, None, None, _help(each)] for each in SETTINGS if not each.many]  # noqa: RUF012

    optFlags = [["check", None, "Look at the settings, ask the store, say what is wrong, and exit."]]  # noqa: RUF012

    settings: Settings
    words: Sequence[str] = ()

    def __init__(self) -> None:
        super().__init__()
        self._listen: list[str] = []
        self._admin_listen: list[str] = []

    def opt_listen(self, endpoint: str) -> None:
        """Take one more endpoint."""
        self._listen.append(endpoint)

    def opt_admin_listen(self, endpoint: str) -> None:
        """Take one more endpoint for the operator."""
        self._admin_listen.append(endpoint)

    def getUsage(self, width: int | None = None) -> str:
        """All options, by theme."""
        width = width or int(os.environ.get("COLUMNS", "80"))
        others = sorted(option for option in self.longOpt if not option.endswith("="))
        parts = [_section("Options", [{"long": option, "doc": self.docs[option]} for option in others], width)]
        for group in GROUPS.values():
            options = [{"long": each.option, "doc": _help(each), "optType": "parameter"} for each in settings_of(group)]
            parts.append(_section(_title(group), options, width))
        return "\n".join((*parts, f"{self.longdesc}\n"))

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Let a bare ``--debug`` mean ``--debug=true``, as for every setting that is true or false."""
        switches = {f"--{each.option}" for each in SETTINGS if each.is_switch}
        given = list(options or [])
        for at, word in enumerate(given):
            if word in switches and (at + 1 == len(given) or given[at + 1].startswith("-")):
                given[at] = f"{word}=true"
        self.words = given
        super().parseOptions(given)

    def postOptions(self) -> None:
        """Read all settings. A mistake ends the start with one line: a UsageError would print all help before it."""
        given = {
            each.option: [self[each.option]] for each in SETTINGS if not each.many and self[each.option] is not None
        }
        given |= {"listen": self._listen, "admin-listen": self._admin_listen}
        try:
            self.settings = settings.parse(os.environ, given)
        except SettingsError as error:
            raise SystemExit(f"signald: {error}") from None


def _title(group: type[Group]) -> str:
    meaning = inspect.getdoc(group) or ""
    return f"{group.heading()}: {meaning[:1].lower()}{meaning[1:]}"


def _section(title: str, options: list[dict[str, str]], width: int) -> str:
    return f"{title}\n{''.join(usage.docMakeChunks(options, width))}"
