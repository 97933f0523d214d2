"""The settings of one process, read from the environment and the command line. An option wins over the variable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from signald.brokers.redis.url import StoreAddress
from signald.core import addresses, ice
from signald.core.limits import Overflow
from signald.core.messages import IceServer
from signald.core.session import AuthMode
from signald.identity.signing_keys import HMAC
from signald.settings.table import SETTINGS, WORKER, Setting


class SettingsError(Exception):
    """The operator's mistake. The message is one line that names the setting and says what it may be."""


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
