"""Describes one setting: how it is written, as a field of a group of settings, and how it is read."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from signald.settings import values

T = TypeVar("T")

LONGEST_SHOWN = 80
"""Characters of a bad value that an error repeats: a file that was set by mistake does not fill the terminal."""


class SettingsError(Exception):
    """The operator's mistake. The message is one line that names the setting and says what it may be."""


class Group:
    """Settings of one theme: a frozen dataclass whose fields are written with `setting` and `many`.

    The name of a field, in capitals, is the environment variable. The name of the class, as ``LimitsSettings``, and
    its docstring are the heading and the sentence above these settings in ``--help`` and in the README.
    """

    __slots__ = ()

    @classmethod
    def heading(cls) -> str:
        """What these settings are called, for people: ``Limits``."""
        return cls.__name__.removesuffix("Settings")

    def check(self) -> None:
        """Look at the values together.

        Raises:
            SettingsError: They contradict each other.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Holds what is known of one setting.

    Attributes:
        field: The field of its group.
        default: As the operator would write it.
        help: For people, with the unit.
        parse: Turns one text into a value; raises ValueError that says what it may be.
        many: The option may be given more than once; the variable holds values separated by white space.
        secret: The value may hold a password and is never shown.
    """

    field: str
    default: str
    help: str
    parse: Callable[[str], Any]
    many: bool
    secret: bool

    @property
    def variable(self) -> str:
        """The environment variable."""
        return self.field.upper()

    @property
    def option(self) -> str:
        """The option of ``twistd signald``, without its dashes."""
        return self.field.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        """Whether the bare option, without a value, means true."""
        return self.parse is values.switch

    def read(self, environment: Mapping[str, str], options: Mapping[str, list[str]]) -> Any:
        """The value, parsed; see `signald.settings.settings.parse`.

        Raises:
            SettingsError: It makes no sense.
        """
        if given := options.get(self.option):
            source, texts = f"--{self.option}", given
        else:
            source, texts = self.variable, [environment.get(self.variable, "").strip() or self.default]
        try:
            texts = [values.bare(text) for text in texts]
            if self.many and not given:
                texts = texts[0].split()
            parsed = [self.parse(text) for text in texts]
        except ValueError as error:
            raise SettingsError(f"{source}{self._shown(texts[-1])}: {error}") from None
        return tuple(parsed) if self.many else parsed[-1]

    def _shown(self, text: str) -> str:
        if self.secret or text.startswith("-----BEGIN"):  # a key where the path of its file belongs
            return ""
        return f"={text!r}" if len(text) <= LONGEST_SHOWN else f"={text[: LONGEST_SHOWN - 3] + '...'!r}"


def setting(default: str, parse: Callable[[str], T], help: str, *, secret: bool = False) -> T:
    """A field of a group that is a setting; see `Setting`. Its type is what `parse` gives."""
    about = {"default": default, "parse": parse, "help": help, "many": False, "secret": secret}
    return field(default_factory=lambda: parse(default), repr=not secret, metadata=about)


def many(parse: Callable[[str], T], help: str) -> tuple[T, ...]:
    """A field of a group that is a setting with any number of values, none by default."""
    return field(default=(), metadata={"default": "", "parse": parse, "help": help, "many": True, "secret": False})


def settings_of(group: type[Group]) -> Iterator[Setting]:
    """The settings of a group, in the order in which they are written."""
    for each in fields(group):  # type: ignore[arg-type]  # every group is a dataclass
        yield Setting(field=each.name, **each.metadata)
