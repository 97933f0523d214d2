"""The file of settings in the Debian package: what an operator finds there is true."""

from signald.settings.settings import SETTINGS, parse
from tools import settings_file


def _set(text: str) -> dict[str, str]:
    """What systemd reads from a file of settings."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_file_sets_nothing() -> None:
    """A fresh installation would not behave as the documentation says."""
    assert _set(settings_file.text()) == {}


def test_file_names_each_setting_with_its_default() -> None:
    """Whoever takes away a "#" and changes nothing would get another signald, or one that does not start."""
    lines = (line.removeprefix("#") if line[1:2].isupper() else line for line in settings_file.text().splitlines())
    chosen = _set("\n".join(lines))
    assert list(chosen) == [each.variable for each in SETTINGS]
    named = {"INSTANCE_ID": "a"}  # else random
    assert parse(chosen | named) == parse(named)
