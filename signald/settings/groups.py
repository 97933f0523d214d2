"""Lists every setting, once, by theme: its name, its default, what it may be and what it means.

Those for whoever runs the service are in `signald.settings.operating`.

From these fields come the environment variables, the options of ``twistd signald`` (`signald.settings.options`) and the
README's tables (`tools.schema`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from signald.brokers.redis.url import StoreAddress
from signald.core import addresses, ice
from signald.core.limits import Overflow
from signald.core.messages import IceServer
from signald.core.standing import AuthMode
from signald.core.toll import ChallengeMode
from signald.identity.signing_keys import HMAC
from signald.settings import values
from signald.settings.setting import Group, SettingsError, many, setting
from signald.telemetry import logs


@dataclass(frozen=True, slots=True, kw_only=True)
class ListeningSettings(Group):
    """Where clients connect, and which pages may."""

    port: int = setting("8080", values.integer(0, 65535), "TCP port, HTTP and WebSocket on the same one")
    listen: tuple[str, ...] = many(
        values.endpoint,
        "Twisted endpoints to listen on, in place of PORT: `tcp:8080:interface=127.0.0.1`, `unix:/run/signald.sock`, …",
    )
    allowed_origin: frozenset[str] = setting(
        "",
        values.origin_list,
        "Origins of web pages that may connect, comma-separated: `https://example.com`, `https://*.example.com`, "
        "`null`; empty: all",
    )
    trusted_proxies: tuple[addresses.Network, ...] = setting(
        "",
        addresses.parse_networks,
        "Networks of proxies, comma-separated, whose `X-Forwarded-For` is believed: `127.0.0.1, 10.0.0.0/8`",
    )
    demo: bool = setting("true", values.switch, "Whether `/` is the demo page; else a line of text")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSettings(Group):
    """The processes that signald runs as, and how they end."""

    workers: int = setting(
        "1",
        values.workers,
        "Processes that share the ports, each an instance of its own on the store; `auto`: one for each core",
    )
    instance_id: str = setting("", values.instance_id, "Label of this process in logs and health; empty: random")
    drain_seconds: float = setting(
        "0",
        values.seconds(0, 3600),
        "How long, at SIGTERM, calls that are being set up may take to finish before all clients are closed",
    )
    fast_path: bool = setting(
        "true",
        values.switch,
        "Whether usual frames are read by our own code; else all by Autobahn, at twice the cost",
    )
    fast_frames: bool = setting(
        "true",
        values.switch,
        "Whether sockets, handshakes, frames and signals are dealt with in C, where that was built; else in Python",
    )
    fast_turn: bool = setting(
        "true",
        values.switch,
        "Whether clients and all else are waited for in one system call, where the reactor lets us; else in two",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings(Group):
    """The Redis or Valkey through which many processes behave as one."""

    redis_url: StoreAddress | None = setting(
        "",
        values.redis_url,
        "The store through which many processes behave as one: `redis://`, `rediss://` (TLS), `unix://`, "
        "`redis+sentinel://`, `redis+cluster://`, with `user:password@` and `/database`; empty: one process, in memory",
        secret=True,
    )
    redis_prefix: str = setting("webrtc:", values.prefix, "What every key and stream in the store begins with")
    redis_ca_file: str = setting(
        "", values.file, "PEM file of the certificates to trust for `rediss://`; empty: the system's"
    )

    letters_dir: str = setting(
        "",
        values.socket_folder,
        "Folder in which processes of one machine and one store find each other, of their user alone: what their "
        "clients say to each other then spares the store; `WORKERS` make one of their own; empty: all goes through the "
        "store",
    )

    def check(self) -> None:
        """See `Group.check`."""
        if self.letters_dir and self.redis_url is None:
            raise SettingsError("LETTERS_DIR: it is for processes that share a store, and there is no REDIS_URL")
        if self.redis_ca_file and self.redis_url is not None and not self.redis_url.tls:
            raise SettingsError("REDIS_CA_FILE: it is for rediss://, and REDIS_URL speaks no TLS")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumingSettings(Group):
    """How sessions of clients of `signald.v1` outlive their connections."""

    resume_seconds: float = setting(
        "30",
        values.seconds(0, 3600),
        "How long a session whose connection was lost waits for its client, and its partner for both; 0: not at all",
    )
    resume_secret: str = setting(
        "",
        values.secret(16),
        "What resume tokens are signed with, the same for all processes; empty: random, and kept in the store if "
        "there is one. Set it if a single process without a store is to lose no call when it is restarted",
        secret=True,
    )
    resume_max_away: int = setting(
        "100000",
        values.integer(1, 1_000_000_000),
        "Sessions without a connection in one process; above it the one that is away longest ends",
    )
    resume_session_messages: int = setting(
        "1000",
        values.integer(1, 1_000_000),
        "Messages kept for one session until they are known to have arrived; above it the oldest is `lost`",
    )
    resume_session_bytes: int = setting(
        "262144", values.integer(1024, 1_000_000_000), "Bytes kept for one session, likewise"
    )
    resume_total_bytes: int = setting(
        "67108864", values.integer(1024, 1_000_000_000_000), "Bytes kept for all sessions of one process, likewise"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingSettings(Group):
    """Who meets whom, and when."""

    requeue_on_partner_leave: bool = setting(
        "true", values.switch, "Whether a client whose partner left waits for the next one at once"
    )
    rematch_delay_seconds: float = setting(
        "3", values.seconds(0, 3600), "How long after `next` the same two are kept apart, if nobody else comes"
    )
    match_answer_seconds: float = setting(
        "8",
        values.seconds(0, 3600),
        "How long one who is matched may owe a first message, or an answer to an offer; then its partner waits again "
        "in its old place, and it does not wait until it says something; 0: for ever",
    )
    match_keys: Mapping[str, frozenset[str]] | None = setting(
        "",
        values.match_keys,
        "The keys of `is`, `wants` and `avoids`, separated by semicolons, some with the values that there are: "
        "`lang;gender=f,m,x`; empty: any",
    )
    match_likes_seconds: float = setting(
        "5",
        values.seconds(0, 3600),
        "How long whoever has `likes` waits for somebody who shares one, if it does not say so itself in `relax`",
    )
    matches_per_minute: int = setting(
        "0",
        values.integer(0, 1_000_000),
        "Partners that one client may leave in a minute; above it the next match waits; 0: any number",
    )
    block_days: int = setting(
        "90",
        values.integer(1, 3650),
        "How long two users stay apart after one has blocked the other; clients without a user: one day",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsSettings(Group):
    """The STUN and TURN servers that clients are told of."""

    ice_servers: tuple[IceServer, ...] = setting(
        "",
        ice.parse,
        "STUN and TURN servers for the clients: a JSON list of `RTCIceServer` objects, or comma-separated `stun:`, "
        "`turn:` and `turns:` URLs",
        secret=True,
    )
    turn_secret: str = setting(
        "",
        values.secret(16),
        "What the TURN servers without a password of their own have as `static-auth-secret` (coturn): each client gets "
        "a password for TURN_TTL",
        secret=True,
    )
    turn_ttl: int = setting(
        "3600", values.integer(60, 30 * 86400), "Seconds for which a password made from TURN_SECRET is good"
    )

    def check(self) -> None:
        """See `Group.check`."""
        lacking = ice.without_password(self.ice_servers)
        if lacking and not self.turn_secret:
            raise SettingsError(
                "ICE_SERVERS: browsers refuse a TURN server without username and credential: set them, or TURN_SECRET"
            )
        if self.turn_secret and not lacking:
            raise SettingsError("TURN_SECRET: ICE_SERVERS names no TURN server that could use it")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsSettings(Group):
    """What one client, one address and all together may use, and when the silent are dropped."""

    max_connections: int = setting(
        "0",
        values.integer(0, 1_000_000_000),
        "WebSockets of one process; above it 503; 0: what the limit on open files allows",
    )
    max_half_open: int = setting(
        "0",
        values.integer(0, 1_000_000_000),
        "Connections that have not said in 3 s what they want; above it the oldest is dropped; 0: a quarter "
        "of all, 200 at least",
    )
    max_connections_per_address: int = setting(
        "0",
        values.integer(0, 1_000_000_000),
        "WebSockets of one IPv4 address or IPv6 /64; above it 429; 0: any number, as many share one behind NAT",
    )
    handshakes_per_address_per_second: int = setting(
        "0",
        values.integer(0, 1_000_000_000),
        "New WebSockets of one address in a second; above it 429; 0: any number",
    )
    max_msg_per_second: int = setting(
        "40",
        values.integer(1, 1_000_000_000),
        "Messages of one client in a second; above it they are dropped with `RATE_LIMIT`",
    )
    max_bytes_per_second: int = setting(
        "0",
        values.bytes_if_any(256, 1_000_000_000),
        "Bytes of one client that are read in a second, the rest later; 0: no limit but that on messages",
    )
    max_sdp_bytes: int = setting(
        "0",
        values.bytes_if_any(256, 65536),
        "Size of `sdp` in offers and answers, as JSON; above it `INVALID_FORMAT`; 0: what a message of 64 KiB holds",
    )
    max_candidate_bytes: int = setting("0", values.bytes_if_any(64, 65536), "Size of `candidate`, likewise")
    challenge: ChallengeMode = setting(
        "off",
        values.choice(ChallengeMode),
        "Whether guests, who have no token, prove work before they wait: `off`, `on`, or `auto`: while more than "
        "CHALLENGE_PER_SECOND come or begin to wait",
    )
    challenge_per_second: int = setting(
        "100",
        values.integer(1, 1_000_000),
        "Guests of one process that come or begin to wait in a second, on average over ten, above which there is an "
        "attack: `auto` challenges them until it is half as many, and the work grows with it, tenfold at most",
    )
    violations_per_minute: int = setting(
        "0",
        values.integer(0, 1_000_000_000),
        "Messages above MAX_MSG_PER_SECOND after which a client is closed with 1008 and its address banned; 0: never",
    )
    ban_seconds: float = setting(
        "60",
        values.seconds(0, 1_000_000),
        "How long VIOLATIONS_PER_MINUTE bans an address; 0: it bans nobody. Bans by the operator have "
        "times of their own",
    )
    heartbeat_seconds: float = setting(
        "30",
        values.seconds(0.1, 3600),
        "Time between two pings of a client; one that did not answer the last is dropped",
    )
    handshake_timeout_seconds: float = setting(
        "10", values.seconds(0.1, 3600), "How long a connection may take to its first request; after that it is dropped"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings(Group):
    """The tokens (JWT) that say who a client is, and the keys that they are checked with."""

    auth_mode: AuthMode = setting(
        "off",
        values.choice(AuthMode),
        "`off`: no token is looked at; `optional`: a token names the user; `required`: nobody waits without one",
    )
    jwt_secret: str = setting(
        "",
        values.secret(32),
        "What tokens (JWT) are signed with, shared with whoever issues them: 32 bytes or more",
        secret=True,
    )
    jwt_public_key_file: str = setting(
        "",
        values.file,
        "PEM file of the public key that tokens are checked with (RSA, EC, Ed25519), in place of JWT_SECRET",
    )
    jwt_jwks: str = setting(
        "", values.jwks, "The issuer's keys (JWKS), in place of JWT_SECRET: an `https://` URL, or a file", secret=True
    )
    jwt_algorithms: frozenset[str] = setting(
        "",
        values.algorithms,
        "Algorithms that are accepted, comma-separated; empty: the usual one of the key, such as HS256, RS256, ES256",
    )
    jwt_issuer: str = setting("", values.plain_text, "What a token's `iss` must be; empty: anything")
    jwt_audience: str = setting(
        "", values.plain_text, "What a token's `aud` must be or contain; empty: tokens that have one are refused"
    )
    jwt_leeway_seconds: float = setting(
        "10", values.seconds(0, 600), "Seconds by which the clocks of issuer and server may differ"
    )
    match_claims: tuple[str, ...] = setting(
        "",
        values.match_claims,
        "Claims of the token, comma-separated, that are facts about its client for matching; what the client itself "
        "says of these keys does not count: `age,verified`",
    )
    max_connections_per_user: int = setting(
        "0", values.integer(0, 1_000_000), "Connections of one user at one time, on all instances; 0: any number"
    )
    max_waiting_per_user: int = setting(
        "8",
        values.integer(0, 1_000_000),
        "Connections of one user that wait for a partner at one time, on one instance; one more gets `CROWDED`; 0: any "
        "number",
    )
    user_overflow: Overflow = setting(
        "refuse",
        values.choice(Overflow),
        "A connection above MAX_CONNECTIONS_PER_USER: `refuse` it, or let it `replace` the oldest",
    )

    def check(self) -> None:
        """See `Group.check`."""
        keys = [name for name in ("jwt_secret", "jwt_public_key_file", "jwt_jwks") if getattr(self, name)]
        if self.auth_mode is AuthMode.OFF:
            if self.match_claims:
                raise SettingsError("MATCH_CLAIMS is set, but AUTH_MODE is off: make it optional or required")
            if keys:  # a slip must not open the server to all
                raise SettingsError(f"{keys[0].upper()} is set, but AUTH_MODE is off: make it optional or required")
            return
        if len(keys) != 1:
            raise SettingsError(
                f"AUTH_MODE={self.auth_mode}: set exactly one of JWT_SECRET, JWT_PUBLIC_KEY_FILE and JWT_JWKS"
            )
        if keys != ["jwt_secret"] and self.jwt_algorithms & HMAC.keys():
            raise SettingsError(f"JWT_ALGORITHMS: {', '.join(HMAC)} are for JWT_SECRET, not for public keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggingSettings(Group):
    """What is logged, and how it looks."""

    log_format: str = setting("text", values.one_of(logs.FORMATS), "`text` for people, `json` for machines")
    log_level: str = setting(
        "info", values.one_of(logs.LEVELS), "The lowest level that is logged: `debug`, `info`, `warn`, `error`"
    )
    log_full_addresses: bool = setting(
        "false", values.switch, "Whether the log shows whole addresses of clients; else their network, /24 or /48"
    )
    debug: bool = setting("", values.switch, "Verbose logging: the same as LOG_LEVEL=debug")
