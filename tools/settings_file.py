"""The file of settings that the Debian package brings, ``/etc/signald/signald.env``: all settings, none of them set.

`tools.schema` writes it with everything else that is made from `signald.settings.groups`.
"""

import inspect
import textwrap
from typing import Final

from signald.settings.setting import settings_of
from signald.settings.settings import GROUPS

_HEAD: Final = """\
# The settings of signald, which systemd reads when it starts one: systemctl restart signald
# They all stand here with their defaults. Take away the "#" of one to change it; quotes keep spaces and backslashes.
# Where signald listens is in signald.socket, and for signald@PORT.service in its name: PORT has no effect.
# Made from signald/settings/groups.py by python -m tools.schema.
"""
_WIDTH: Final = 120


def _comment(text: str) -> str:
    return textwrap.fill(text.replace("`", ""), _WIDTH, initial_indent="# ", subsequent_indent="# ")


def text() -> str:
    """The whole file."""
    parts = [_HEAD]
    for group in GROUPS.values():
        parts.append(f"# {group.heading()}\n# {'-' * len(group.heading())}\n{_comment(inspect.getdoc(group) or '')}\n")
        parts += (f"{_comment(each.help)}\n#{each.variable}={each.default}\n" for each in settings_of(group))
    return "\n".join(parts)
