"""Every setting, once: its environment variable, its option, its default, what it means and what it may be.

The table `SETTINGS` makes the options of ``twistd signald`` and the README's table. An option wins over the variable.
"""

import os
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

from signald import addresses, logs, origins
from signald.brokers.redis.url import StoreAddress, parse_url
from signald.core import ice
from signald.core.limits import Overflow
from signald.core.messages import IceServer
from signald.core.session import AuthMode
from signald.signing_keys import HMAC, PUBLIC

WORKER: Final = "{worker}"
"""Stands in an endpoint for the worker's number, where workers cannot or should not share it."""


class SettingsError(Exception):
    """The operator's mistake. The message is one line that names the setting and says what it may be."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    Attributes:
        variable: The environment variable.
        default: As the operator would write it.
        meaning: For people, with the unit.
        parse: Turns the text into the value; raises ValueError that says what it may be.
        secret: The value may hold a password and is never shown.
        many: The option may be given more than once; the variable holds values apart by white space.
    """

    variable: str
    default: str
    meaning: str
    parse: Callable[[str], Any]
    many: bool = False
    secret: bool = False

    @property
    def field(self) -> str:
        """The attribute of `Settings`."""
        return self.variable.lower()

    @property
    def option(self) -> str:
        """The option of ``twistd signald``, without its dashes."""
        return self.field.replace("_", "-")

    @property
    def is_switch(self) -> bool:
        """Whether the bare option, without a value, means true."""
        return self.parse is _switch


def _switch(text: str) -> bool:
    value = text.lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"", "0", "false", "no", "off"}:
        return False
    raise ValueError("must be true or false")


def _integer(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def _seconds(lowest: float, highest: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not lowest <= float(text) <= highest:
            raise ValueError(f"must be a number of seconds from {lowest:g} to {highest:g}")
        return float(text)

    return parse


def _origins(text: str) -> frozenset[str]:
    if text.strip() == "*":
        return frozenset()
    allowed = frozenset(origins.normalise(origin) for origin in text.split(",") if origin.strip())
    if text and not allowed:  # a slip must not open the server to all
        raise ValueError("names no origin; leave it empty, or write *, to allow all")
    return allowed


def _instance_id(text: str) -> str:
    if not text:
        return secrets.token_hex(4)
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise ValueError("must be 1 to 64 letters, digits, dots, dashes or underscores")
    return text


def _workers(text: str) -> int:
    return len(os.sched_getaffinity(0)) if text == "auto" else _integer(1, 256)(text)


def _redis_url(text: str) -> StoreAddress | None:
    return parse_url(text) if text else None


def _prefix(text: str) -> str:
    if not re.fullmatch(r"[!-~]{1,64}", text) or re.search(r"[*?\[\]\\^]", text):
        raise ValueError("must be 1 to 64 visible ASCII characters without *, ?, [, ], ^ and backslash")
    return text


def _text(text: str) -> str:
    if len(text) > 1024 or not text.isprintable():
        raise ValueError("must be at most 1024 printable characters")
    return text


def _file(text: str) -> str:
    if text and not os.path.isfile(text):
        raise ValueError("is not a file")
    return text


def _secret(shortest: int) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text and len(text.encode()) < shortest:
            raise ValueError(f"must be at least {shortest} bytes long: whoever sees its work could guess a shorter one")
        return text

    return parse


def _choice(of: type[StrEnum]) -> Callable[[str], StrEnum]:
    parse = _one_of(tuple(of))
    return lambda text: of(parse(text))


def _algorithms(text: str) -> frozenset[str]:
    algorithms = frozenset(word.strip() for word in text.split(",") if word.strip())
    if not algorithms <= {*HMAC, *PUBLIC}:
        raise ValueError(f"must be some of {', '.join((*HMAC, *PUBLIC))}, apart by commas")
    if algorithms & HMAC.keys() and algorithms & {*PUBLIC}:
        raise ValueError("must be for secrets (HS…) or for public keys, not for both: one would be taken for the other")
    return algorithms


def _jwks(text: str) -> str:
    if text.startswith(("https://", "http://")):
        parts = urlsplit(text)
        if not text.isascii() or not parts.hostname or parts.username is not None or parts.fragment:
            raise ValueError("must be an https:// URL without user and password, or a file")
        if parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
            raise ValueError("must be https://: who changes the keys on their way is every user")
        return text
    return _file(text)


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text.lower()

    return parse


def _endpoint(text: str) -> str:
    if ":" not in text:
        raise ValueError("must be a Twisted endpoint, for example tcp:8080:interface=127.0.0.1")
    return text


SETTINGS: Final = (
    Setting("PORT", "8080", "TCP port, HTTP and WebSocket on the same one", _integer(0, 65535)),
    Setting(
        "LISTEN",
        "",
        "Twisted endpoints to listen on, in place of PORT: `tcp:8080:interface=127.0.0.1`, `unix:/run/signald.sock`, …",
        _endpoint,
        many=True,
    ),
    Setting(
        "ADMIN_LISTEN",
        "",
        "Endpoints for the operator alone, with `/metrics`; `{worker}` stands for the worker's number",
        _endpoint,
        many=True,
    ),
    Setting("PUBLIC_METRICS", "false", "Whether `/metrics` is on the public port too", _switch),
    Setting(
        "ALLOWED_ORIGIN",
        "",
        "Origins of web pages that may connect, apart by commas; empty: all",
        _origins,
    ),
    Setting(
        "REQUEUE_ON_PARTNER_LEAVE",
        "true",
        "Whether a client whose partner left waits for the next one at once",
        _switch,
    ),
    Setting(
        "REMATCH_DELAY_SECONDS",
        "3",
        "How long after `next` the same two are kept apart, if nobody else comes",
        _seconds(0, 3600),
    ),
    Setting(
        "REDIS_URL",
        "",
        "The store through which many processes behave as one: `redis://`, `rediss://` (TLS), `unix://`, with "
        "`user:password@` and `/database`; empty: one process, in memory",
        _redis_url,
        secret=True,
    ),
    Setting("REDIS_PREFIX", "webrtc:", "Before every key and stream in the store", _prefix),
    Setting(
        "REDIS_CA_FILE",
        "",
        "PEM file of the certificates to trust for `rediss://`; empty: the system's",
        _file,
    ),
    Setting(
        "WORKERS",
        "1",
        "Processes that share the ports, each an instance of its own on the store; `auto`: one for each core",
        _workers,
    ),
    Setting("INSTANCE_ID", "", "Label of this process in logs and health; empty: random", _instance_id),
    Setting(
        "MAX_MSG_PER_SECOND",
        "40",
        "Messages of one client in a second; above it they are dropped with `RATE_LIMIT`",
        _integer(1, 1_000_000_000),
    ),
    Setting(
        "MAX_BYTES_PER_SECOND",
        "0",
        "Bytes of one client that are read in a second, the rest later; 0: no limit but that on messages",
        _integer(0, 1_000_000_000),
    ),
    Setting(
        "MAX_SDP_BYTES",
        "0",
        "Size of `sdp` in offers and answers, as JSON; above it `INVALID_FORMAT`; 0: what a message of 64 KiB holds",
        _integer(0, 65536),
    ),
    Setting("MAX_CANDIDATE_BYTES", "0", "The same for `candidate`", _integer(0, 65536)),
    Setting(
        "MATCHES_PER_MINUTE",
        "0",
        "Partners that one client may leave in a minute; above it the next match waits; 0: any number",
        _integer(0, 1_000_000),
    ),
    Setting(
        "MAX_CONNECTIONS",
        "0",
        "WebSockets of one process; above it 503; 0: what the limit on open files allows",
        _integer(0, 1_000_000_000),
    ),
    Setting(
        "MAX_HALF_OPEN",
        "0",
        "Connections that have not said yet what they want; above it the oldest is dropped; 0: a quarter of all",
        _integer(0, 1_000_000_000),
    ),
    Setting(
        "MAX_CONNECTIONS_PER_ADDRESS",
        "0",
        "WebSockets of one IPv4 address or IPv6 /64; above it 429; 0: any number, as many share one behind NAT",
        _integer(0, 1_000_000_000),
    ),
    Setting(
        "HANDSHAKES_PER_ADDRESS_PER_SECOND",
        "0",
        "New WebSockets of one address in a second; above it 429; 0: any number",
        _integer(0, 1_000_000_000),
    ),
    Setting(
        "VIOLATIONS_PER_MINUTE",
        "0",
        "Messages above MAX_MSG_PER_SECOND after which a client is closed with 1008 and its address banned; 0: never",
        _integer(0, 1_000_000_000),
    ),
    Setting("BAN_SECONDS", "60", "How long a ban of an address lasts; 0: nobody is banned", _seconds(0, 1_000_000)),
    Setting(
        "HEARTBEAT_SECONDS",
        "30",
        "Between two pings of a client; one that did not answer the last is dropped",
        _seconds(0.1, 3600),
    ),
    Setting(
        "HANDSHAKE_TIMEOUT_SECONDS",
        "10",
        "For the first request of a connection; after it the connection is dropped",
        _seconds(0.1, 3600),
    ),
    Setting(
        "DRAIN_SECONDS",
        "0",
        "How long, at SIGTERM, calls that are being set up may take to finish before all clients are closed",
        _seconds(0, 3600),
    ),
    Setting(
        "ICE_SERVERS",
        "",
        "STUN and TURN servers for the clients: a JSON list of `RTCIceServer` objects, or `stun:`, `turn:` and "
        "`turns:` URLs apart by commas",
        ice.parse,
        secret=True,
    ),
    Setting(
        "TURN_SECRET",
        "",
        "What the TURN servers without a password of their own have as `static-auth-secret` (coturn): each client gets "
        "a password for TURN_TTL",
        _secret(16),
        secret=True,
    ),
    Setting("TURN_TTL", "3600", "Seconds for which such a password is good", _integer(60, 30 * 86400)),
    Setting(
        "AUTH_MODE",
        "off",
        "`off`: no token is looked at; `optional`: a token names the user; `required`: nobody waits without one",
        _choice(AuthMode),
    ),
    Setting(
        "JWT_SECRET",
        "",
        "What tokens (JWT) are signed with, shared with whoever issues them: 32 bytes or more",
        _secret(32),
        secret=True,
    ),
    Setting("JWT_PUBLIC_KEY_FILE", "", "Or the PEM file of the issuer's public key (RSA, EC, Ed25519)", _file),
    Setting("JWT_JWKS", "", "Or the issuer's JWKS: an `https://` URL, or a file", _jwks),
    Setting(
        "JWT_ALGORITHMS",
        "",
        "Algorithms that are accepted, apart by commas; empty: the usual one of the key, such as HS256, RS256, ES256",
        _algorithms,
    ),
    Setting("JWT_ISSUER", "", "What a token's `iss` must be; empty: anything", _text),
    Setting(
        "JWT_AUDIENCE",
        "",
        "What a token's `aud` must be or contain; empty: tokens that have one are refused",
        _text,
    ),
    Setting("JWT_LEEWAY_SECONDS", "10", "By how much the clocks of issuer and server may differ", _seconds(0, 600)),
    Setting(
        "MAX_CONNECTIONS_PER_USER",
        "0",
        "Connections of one user to this process; 0: any number",
        _integer(0, 1_000_000),
    ),
    Setting(
        "USER_OVERFLOW",
        "refuse",
        "With one connection too many: `refuse` the newest, or `replace` the oldest",
        _choice(Overflow),
    ),
    Setting("DEMO", "true", "Whether `/` is the demo page; else a line of text", _switch),
    Setting(
        "FAST_PATH",
        "true",
        "Whether usual frames are read by our own code; else all by Autobahn, at twice the cost",
        _switch,
    ),
    Setting(
        "TRUSTED_PROXIES",
        "",
        "Networks of proxies, apart by commas, whose `X-Forwarded-For` is believed: `127.0.0.1, 10.0.0.0/8`",
        addresses.parse_networks,
    ),
    Setting("LOG_FORMAT", "text", "`text` for people, `json` for machines", _one_of(logs.FORMATS)),
    Setting(
        "LOG_LEVEL", "info", "The lowest level that is logged: `debug`, `info`, `warn`, `error`", _one_of(logs.LEVELS)
    ),
    Setting(
        "LOG_FULL_ADDRESSES",
        "false",
        "Whether the log shows whole addresses of clients; else their network, /24 or /48",
        _switch,
    ),
    Setting("DEBUG", "", "Verbose logging: the same as LOG_LEVEL=debug", _switch),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values, parsed. Attributes are the variables of `SETTINGS` in small letters."""

    port: int
    listen: tuple[str, ...]
    admin_listen: tuple[str, ...]
    public_metrics: bool
    allowed_origin: frozenset[str]
    requeue_on_partner_leave: bool
    rematch_delay_seconds: float
    workers: int
    redis_url: StoreAddress | None
    redis_prefix: str
    redis_ca_file: str
    instance_id: str
    max_msg_per_second: int
    max_bytes_per_second: int
    max_sdp_bytes: int
    max_candidate_bytes: int
    matches_per_minute: int
    max_connections: int
    max_half_open: int
    max_connections_per_address: int
    handshakes_per_address_per_second: int
    violations_per_minute: int
    ban_seconds: float
    heartbeat_seconds: float
    handshake_timeout_seconds: float
    drain_seconds: float
    ice_servers: tuple[IceServer, ...] = field(repr=False)
    turn_secret: str = field(repr=False)
    turn_ttl: int
    auth_mode: AuthMode
    jwt_secret: str = field(repr=False)
    jwt_public_key_file: str
    jwt_jwks: str
    jwt_algorithms: frozenset[str]
    jwt_issuer: str
    jwt_audience: str
    jwt_leeway_seconds: float
    max_connections_per_user: int
    user_overflow: Overflow
    demo: bool
    fast_path: bool
    trusted_proxies: tuple[addresses.Network, ...]
    log_format: str
    log_level: str
    log_full_addresses: bool
    debug: bool


def parse(environment: Mapping[str, str], options: Mapping[str, list[str]] | None = None) -> Settings:
    """Read all settings.

    Args:
        environment: Environment variables; those of others are ignored, an empty one counts as not set.
        options: Values by option name, each in the order given.

    Raises:
        SettingsError: A value makes no sense.
    """
    options = options or {}
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        given = options.get(setting.option)
        if given:
            source, texts = f"--{setting.option}", given
        else:
            text = environment.get(setting.variable, "").strip() or setting.default
            source, texts = setting.variable, text.split() if setting.many else [text]
        try:
            parsed = [setting.parse(text.strip()) for text in texts]
        except ValueError as error:
            raise SettingsError(f"{source}{_shown(setting, texts[-1])}: {error}") from None
        values[setting.field] = tuple(parsed) if setting.many else parsed[-1]
    _check_together(chosen := Settings(**values))
    return chosen


def _check_together(chosen: Settings) -> None:
    _check_turn(chosen)
    _check_auth(chosen)
    if chosen.workers == 1:
        return
    begin = f"WORKERS={chosen.workers}: more than one process "
    if chosen.redis_url is None:
        raise SettingsError(begin + "needs a store to pair over: set REDIS_URL")
    if chosen.port == 0 and not chosen.listen:
        raise SettingsError(begin + "needs a port to share: PORT must not be 0")
    for words in (*chosen.listen, *chosen.admin_listen):
        if words.startswith("unix:") and WORKER not in words:
            raise SettingsError(begin + f"cannot share {words!r}: put {WORKER} in it")


def _check_turn(chosen: Settings) -> None:
    lacking = ice.without_password(chosen.ice_servers)
    if lacking and not chosen.turn_secret:
        raise SettingsError(
            "ICE_SERVERS: browsers refuse a TURN server without username and credential: set them, or TURN_SECRET"
        )
    if chosen.turn_secret and not lacking:
        raise SettingsError("TURN_SECRET: ICE_SERVERS names no TURN server that could use it")


def _check_auth(chosen: Settings) -> None:
    keys = [name for name in ("jwt_secret", "jwt_public_key_file", "jwt_jwks") if getattr(chosen, name)]
    if chosen.auth_mode is AuthMode.OFF:
        if keys:  # a slip must not open the server to all
            raise SettingsError(f"{keys[0].upper()} is set, but AUTH_MODE is off: make it optional or required")
        return
    if len(keys) != 1:
        raise SettingsError(
            f"AUTH_MODE={chosen.auth_mode}: set exactly one of JWT_SECRET, JWT_PUBLIC_KEY_FILE and JWT_JWKS"
        )
    if keys != ["jwt_secret"] and chosen.jwt_algorithms & HMAC.keys():
        raise SettingsError(f"JWT_ALGORITHMS: {', '.join(HMAC)} are for JWT_SECRET, not for public keys")


def _shown(setting: Setting, text: str) -> str:
    if setting.secret:
        return ""
    return f"={text!r}" if len(text) <= 80 else f"={text[:77] + '...'!r}"
