"""Every setting, once: its environment variable, its option, its default, what it means and what it may be.

The table makes the options of ``twistd signald`` (`signald.settings.options`) and the README's table (`tools.schema`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from signald.core import addresses, ice
from signald.core.limits import Overflow
from signald.core.session import AuthMode
from signald.settings import values
from signald.telemetry import logs

WORKER: Final = "{worker}"
"""Stands in an endpoint for the worker's number, where workers cannot or should not share it."""


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
