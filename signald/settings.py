"""Every setting, once: its environment variable, its option, its default, what it means and what it may be.

The table `SETTINGS` makes the options of ``twistd signald`` and the README's table. An option wins over the variable.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from signald import addresses, logs, values
from signald.brokers.redis.url import StoreAddress
from signald.core import ice
from signald.core.limits import Overflow
from signald.core.messages import IceServer
from signald.core.session import AuthMode
from signald.signing_keys import HMAC

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
        return self.parse is values.switch


SETTINGS: Final = (
    Setting("PORT", "8080", "TCP port, HTTP and WebSocket on the same one", values.integer(0, 65535)),
    Setting(
        "LISTEN",
        "",
        "Twisted endpoints to listen on, in place of PORT: `tcp:8080:interface=127.0.0.1`, `unix:/run/signald.sock`, …",
        values.endpoint,
        many=True,
    ),
    Setting(
        "ADMIN_LISTEN",
        "",
        "Endpoints for the operator alone, with `/metrics`; `{worker}` stands for the worker's number",
        values.endpoint,
        many=True,
    ),
    Setting("PUBLIC_METRICS", "false", "Whether `/metrics` is on the public port too", values.switch),
    Setting(
        "ALLOWED_ORIGIN",
        "",
        "Origins of web pages that may connect, apart by commas; empty: all",
        values.origin_list,
    ),
    Setting(
        "REQUEUE_ON_PARTNER_LEAVE",
        "true",
        "Whether a client whose partner left waits for the next one at once",
        values.switch,
    ),
    Setting(
        "REMATCH_DELAY_SECONDS",
        "3",
        "How long after `next` the same two are kept apart, if nobody else comes",
        values.seconds(0, 3600),
    ),
    Setting(
        "REDIS_URL",
        "",
        "The store through which many processes behave as one: `redis://`, `rediss://` (TLS), `unix://`, with "
        "`user:password@` and `/database`; empty: one process, in memory",
        values.redis_url,
        secret=True,
    ),
    Setting("REDIS_PREFIX", "webrtc:", "Before every key and stream in the store", values.prefix),
    Setting(
        "REDIS_CA_FILE",
        "",
        "PEM file of the certificates to trust for `rediss://`; empty: the system's",
        values.file,
    ),
    Setting(
        "WORKERS",
        "1",
        "Processes that share the ports, each an instance of its own on the store; `auto`: one for each core",
        values.workers,
    ),
    Setting("INSTANCE_ID", "", "Label of this process in logs and health; empty: random", values.instance_id),
    Setting(
        "MAX_MSG_PER_SECOND",
        "40",
        "Messages of one client in a second; above it they are dropped with `RATE_LIMIT`",
        values.integer(1, 1_000_000_000),
    ),
    Setting(
        "MAX_BYTES_PER_SECOND",
        "0",
        "Bytes of one client that are read in a second, the rest later; 0: no limit but that on messages",
        values.integer(0, 1_000_000_000),
    ),
    Setting(
        "MAX_SDP_BYTES",
        "0",
        "Size of `sdp` in offers and answers, as JSON; above it `INVALID_FORMAT`; 0: what a message of 64 KiB holds",
        values.integer(0, 65536),
    ),
    Setting("MAX_CANDIDATE_BYTES", "0", "The same for `candidate`", values.integer(0, 65536)),
    Setting(
        "MATCHES_PER_MINUTE",
        "0",
        "Partners that one client may leave in a minute; above it the next match waits; 0: any number",
        values.integer(0, 1_000_000),
    ),
    Setting(
        "MAX_CONNECTIONS",
        "0",
        "WebSockets of one process; above it 503; 0: what the limit on open files allows",
        values.integer(0, 1_000_000_000),
    ),
    Setting(
        "MAX_HALF_OPEN",
        "0",
        "Connections that have not said yet what they want; above it the oldest is dropped; 0: a quarter of all",
        values.integer(0, 1_000_000_000),
    ),
    Setting(
        "MAX_CONNECTIONS_PER_ADDRESS",
        "0",
        "WebSockets of one IPv4 address or IPv6 /64; above it 429; 0: any number, as many share one behind NAT",
        values.integer(0, 1_000_000_000),
    ),
    Setting(
        "HANDSHAKES_PER_ADDRESS_PER_SECOND",
        "0",
        "New WebSockets of one address in a second; above it 429; 0: any number",
        values.integer(0, 1_000_000_000),
    ),
    Setting(
        "VIOLATIONS_PER_MINUTE",
        "0",
        "Messages above MAX_MSG_PER_SECOND after which a client is closed with 1008 and its address banned; 0: never",
        values.integer(0, 1_000_000_000),
    ),
    Setting(
        "BAN_SECONDS", "60", "How long a ban of an address lasts; 0: nobody is banned", values.seconds(0, 1_000_000)
    ),
    Setting(
        "HEARTBEAT_SECONDS",
        "30",
        "Between two pings of a client; one that did not answer the last is dropped",
        values.seconds(0.1, 3600),
    ),
    Setting(
        "HANDSHAKE_TIMEOUT_SECONDS",
        "10",
        "For the first request of a connection; after it the connection is dropped",
        values.seconds(0.1, 3600),
    ),
    Setting(
        "DRAIN_SECONDS",
        "0",
        "How long, at SIGTERM, calls that are being set up may take to finish before all clients are closed",
        values.seconds(0, 3600),
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
        values.secret(16),
        secret=True,
    ),
    Setting("TURN_TTL", "3600", "Seconds for which such a password is good", values.integer(60, 30 * 86400)),
    Setting(
        "AUTH_MODE",
        "off",
        "`off`: no token is looked at; `optional`: a token names the user; `required`: nobody waits without one",
        values.choice(AuthMode),
    ),
    Setting(
        "JWT_SECRET",
        "",
        "What tokens (JWT) are signed with, shared with whoever issues them: 32 bytes or more",
        values.secret(32),
        secret=True,
    ),
    Setting("JWT_PUBLIC_KEY_FILE", "", "Or the PEM file of the issuer's public key (RSA, EC, Ed25519)", values.file),
    Setting("JWT_JWKS", "", "Or the issuer's JWKS: an `https://` URL, or a file", values.jwks),
    Setting(
        "JWT_ALGORITHMS",
        "",
        "Algorithms that are accepted, apart by commas; empty: the usual one of the key, such as HS256, RS256, ES256",
        values.algorithms,
    ),
    Setting("JWT_ISSUER", "", "What a token's `iss` must be; empty: anything", values.plain_text),
    Setting(
        "JWT_AUDIENCE",
        "",
        "What a token's `aud` must be or contain; empty: tokens that have one are refused",
        values.plain_text,
    ),
    Setting(
        "JWT_LEEWAY_SECONDS", "10", "By how much the clocks of issuer and server may differ", values.seconds(0, 600)
    ),
    Setting(
        "MAX_CONNECTIONS_PER_USER",
        "0",
        "Connections of one user; 0: any number",
        values.integer(0, 1_000_000),
    ),
    Setting(
        "USER_OVERFLOW",
        "refuse",
        "With one connection too many: `refuse` the newest, or `replace` the oldest",
        values.choice(Overflow),
    ),
    Setting(
        "BLOCK_DAYS",
        "90",
        "How long two users stay apart after one has blocked the other; clients without a user: one day",
        values.integer(1, 3650),
    ),
    Setting(
        "REPORT_WEBHOOK_URL",
        "",
        "`https://` URL to which each `report` of a client is posted; empty: reports are in the log alone",
        values.https_url,
        secret=True,
    ),
    Setting(
        "REPORT_WEBHOOK_SECRET",
        "",
        "What these posts are signed with, as Standard Webhooks has it: `whsec_` and base64, or any text",
        values.webhook_secret,
        secret=True,
    ),
    Setting(
        "ADMIN_TOKEN",
        "",
        "Who shows it on ADMIN_LISTEN may list, kick and ban clients; empty: nobody may",
        values.secret(16),
        secret=True,
    ),
    Setting("DEMO", "true", "Whether `/` is the demo page; else a line of text", values.switch),
    Setting(
        "FAST_PATH",
        "true",
        "Whether usual frames are read by our own code; else all by Autobahn, at twice the cost",
        values.switch,
    ),
    Setting(
        "TRUSTED_PROXIES",
        "",
        "Networks of proxies, apart by commas, whose `X-Forwarded-For` is believed: `127.0.0.1, 10.0.0.0/8`",
        addresses.parse_networks,
    ),
    Setting("LOG_FORMAT", "text", "`text` for people, `json` for machines", values.one_of(logs.FORMATS)),
    Setting(
        "LOG_LEVEL",
        "info",
        "The lowest level that is logged: `debug`, `info`, `warn`, `error`",
        values.one_of(logs.LEVELS),
    ),
    Setting(
        "LOG_FULL_ADDRESSES",
        "false",
        "Whether the log shows whole addresses of clients; else their network, /24 or /48",
        values.switch,
    ),
    Setting("DEBUG", "", "Verbose logging: the same as LOG_LEVEL=debug", values.switch),
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
    block_days: int
    report_webhook_url: str = field(repr=False)
    report_webhook_secret: bytes = field(repr=False)
    admin_token: str = field(repr=False)
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
    parsed: dict[str, Any] = {}
    for setting in SETTINGS:
        given = options.get(setting.option)
        if given:
            source, texts = f"--{setting.option}", given
        else:
            text = environment.get(setting.variable, "").strip() or setting.default
            source, texts = setting.variable, text.split() if setting.many else [text]
        try:
            each = [setting.parse(text.strip()) for text in texts]
        except ValueError as error:
            raise SettingsError(f"{source}{_shown(setting, texts[-1])}: {error}") from None
        parsed[setting.field] = tuple(each) if setting.many else each[-1]
    chosen = Settings(**parsed)
    _check_together(chosen)
    return chosen


def _check_together(chosen: Settings) -> None:
    _check_turn(chosen)
    _check_auth(chosen)
    _check_moderation(chosen)
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


def _check_moderation(chosen: Settings) -> None:
    if chosen.report_webhook_url and not chosen.report_webhook_secret:
        raise SettingsError("REPORT_WEBHOOK_URL: set REPORT_WEBHOOK_SECRET too, or nobody knows who posts there")
    if chosen.report_webhook_secret and not chosen.report_webhook_url:
        raise SettingsError("REPORT_WEBHOOK_SECRET: set REPORT_WEBHOOK_URL too")
    if chosen.admin_token and not chosen.admin_listen:
        raise SettingsError("ADMIN_TOKEN: set ADMIN_LISTEN too, the endpoint on which it is shown")


def _shown(setting: Setting, text: str) -> str:
    if setting.secret:
        return ""
    return f"={text!r}" if len(text) <= 80 else f"={text[:77] + '...'!r}"
