"""Reads the settings of one process from the environment and the command line. An option wins over the variable."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from signald.core.messages import MAX_MESSAGE_BYTES
from signald.core.toll import ChallengeMode
from signald.settings.groups import (
    CallsSettings,
    IdentitySettings,
    LimitsSettings,
    ListeningSettings,
    LoggingSettings,
    PairingSettings,
    ProcessSettings,
    ResumingSettings,
    StoreSettings,
)
from signald.settings.operating import OperatorSettings
from signald.settings.setting import Group, Setting, SettingsError, settings_of
from signald.settings.values import WORKER, Spot, place


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values, parsed, by theme. Whoever wires the daemon passes on single values, or one group."""

    listening: ListeningSettings = field(default_factory=ListeningSettings)
    process: ProcessSettings = field(default_factory=ProcessSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    resuming: ResumingSettings = field(default_factory=ResumingSettings)
    pairing: PairingSettings = field(default_factory=PairingSettings)
    calls: CallsSettings = field(default_factory=CallsSettings)
    limits: LimitsSettings = field(default_factory=LimitsSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    operator: OperatorSettings = field(default_factory=OperatorSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)


GROUPS: Final[Mapping[str, type[Group]]] = {each.name: each.type for each in fields(Settings)}  # type: ignore[misc]
"""The groups by their names in `Settings`."""

SETTINGS: Final[tuple[Setting, ...]] = tuple(each for group in GROUPS.values() for each in settings_of(group))
"""All settings of all groups."""


def parse(environment: Mapping[str, str], options: Mapping[str, list[str]] | None = None) -> Settings:
    """Read all settings.

    Args:
        environment: Environment variables; those of others are ignored, an empty one counts as not set.
        options: Values by option name, each in the order given.

    Raises:
        SettingsError: A value makes no sense, alone or beside another.
    """
    groups: dict[str, Any] = {}
    for name, group in GROUPS.items():
        groups[name] = group(**{each.field: each.read(environment, options or {}) for each in settings_of(group)})
    for read in groups.values():
        read.check()
    chosen = Settings(**groups)
    _check_workers(chosen)
    _check_places(chosen)
    return chosen


def _check_workers(chosen: Settings) -> None:
    if chosen.process.workers == 1:
        return
    begin = f"WORKERS={chosen.process.workers}: more than one process "
    if chosen.store.redis_url is None:
        raise SettingsError(begin + "needs a store to pair over: set REDIS_URL")
    if chosen.listening.port == 0 and not chosen.listening.listen:
        raise SettingsError(begin + "needs a port to share: PORT must not be 0")
    for words in (*chosen.listening.listen, *chosen.operator.admin_listen):
        if words.startswith("unix:") and WORKER not in words:
            raise SettingsError(begin + f"cannot share {words!r}: put {WORKER} in it")


def _check_places(chosen: Settings) -> None:
    """Refuse to open one place twice: the start would fail, and with workers nobody would say why."""
    listening, operator = chosen.listening, chosen.operator
    named = [("LISTEN", words, place(words)) for words in listening.listen]
    if not listening.listen and listening.port:
        named.append(("PORT", str(listening.port), Spot(str(listening.port))))
    named += [("ADMIN_LISTEN", words, place(words)) for words in operator.admin_listen]
    for at, (name, words, where) in enumerate(named):
        for before, taken, there in named[:at]:
            if where is not None and there is not None and where.meets(there):
                raise SettingsError(f"{name}={words!r} is where {before}={taken!r} listens already")


def describe(chosen: Settings) -> Iterator[str]:
    """What these settings mean, one line each, for people; no secrets."""
    listening, store, limits = chosen.listening, chosen.store, chosen.limits
    port = f"port {listening.port}" if listening.port else "a free port"
    where = listening.listen or (f"{port} on all addresses",)
    yield f"clients connect to {', '.join(where)}, path /ws"
    if chosen.operator.admin_listen:
        yield f"the operator connects to {', '.join(chosen.operator.admin_listen)}"
    if chosen.operator.accounts:
        yield f"there may {', '.join(f'{each.name} ({each.role})' for each in chosen.operator.accounts)}"
    if store.redis_url is None:
        yield "no store: this process pairs its own clients, in memory"
    else:
        yield f"store: {store.redis_url}, keys begin with {store.redis_prefix}"
    if chosen.process.workers > 1:
        yield f"{chosen.process.workers} workers share the port"
    yield f"pages of {', '.join(sorted(listening.allowed_origin)) or 'any origin'} may connect"
    yield (
        f"limits: {limits.max_msg_per_second} messages a second of {MAX_MESSAGE_BYTES // 1024} KiB each, "
        f"{limits.handshake_timeout_seconds:g} s for a handshake, a ping each {limits.heartbeat_seconds:g} s"
    )
    if limits.challenge is not ChallengeMode.OFF:
        when = "" if limits.challenge is ChallengeMode.ON else f" above {limits.challenge_per_second} of them a second"
        yield f"guests prove work before they wait{when}"
