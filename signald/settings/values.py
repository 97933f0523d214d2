"""Parses the values of settings: each function turns an operator's text into a value.

Each raises ValueError that says what the value may be, without repeating it.
"""

import base64
import os
import re
import secrets
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from signald.brokers.redis.neighbours import LONGEST_FOLDER
from signald.brokers.redis.url import StoreAddress, parse_url
from signald.core import origins, urls
from signald.core.accounts import MAX_NAME_LENGTH, Account, Role
from signald.core.events import EventKind
from signald.core.messages import MAX_RELEASE_LENGTH, MAX_WORD_LENGTH
from signald.core.wishes import LIKES, fold
from signald.identity.signing_keys import HMAC, PUBLIC
from signald.telemetry.outcomes import OTHER, RELEASES_AT_MOST, UNNAMED

WORKER: Final = "{worker}"
"""Stands in an endpoint for the worker's number, where workers cannot or should not share it."""

E = TypeVar("E", bound=StrEnum)


def bare(text: str) -> str:
    """A text without white space around it, as it was meant.

    Raises:
        ValueError: It is in quotes, as a shell would take away and a file of variables does not; or no text at all.
    """
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        raise ValueError("is in quotes, which would be a part of it: leave them away")
    if any("\ud800" <= character <= "\udfff" for character in text):  # what is not UTF-8 in the environment
        raise ValueError("is not UTF-8")
    return text


def switch(text: str) -> bool:
    """True or false."""
    value = text.lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"", "0", "false", "no", "off"}:
        return False
    raise ValueError("must be true or false")


def integer(lowest: int, highest: int) -> Callable[[str], int]:
    """A whole number in this range, both ends included."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", text) or not lowest <= int(text) <= highest:
            raise ValueError(f"must be a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def bytes_if_any(lowest: int, highest: int) -> Callable[[str], int]:
    """A number of bytes in this range, or 0: who writes 64 means KiB, and nothing would ever pass."""
    some = integer(lowest, highest)

    def parse(text: str) -> int:
        try:
            return 0 if text == "0" else some(text)
        except ValueError:
            raise ValueError(f"must be 0, or a whole number of bytes from {lowest} to {highest}") from None

    return parse


def seconds(lowest: float, highest: float) -> Callable[[str], float]:
    """A number of seconds in this range, both ends included."""

    def parse(text: str) -> float:
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or not lowest <= float(text) <= highest:
            raise ValueError(f"must be a number of seconds from {lowest:g} to {highest:g}")
        return float(text)

    return parse


def origin_list(text: str) -> frozenset[str]:
    """Origins, comma-separated; empty, or `*`, for all."""
    if text.strip() == "*":
        return frozenset()
    if re.search(r"[;\s]", re.sub(r"\s*,\s*", ",", text)):
        raise ValueError("has a semicolon or white space inside: origins are separated by commas")
    allowed = frozenset(origins.listed(origin) for origin in text.split(",") if origin.strip())
    if text and not allowed:  # a slip must not open the server to all
        raise ValueError("names no origin; leave it empty, or write *, to allow all")
    return allowed


def instance_id(text: str) -> str:
    """A name of a process; a random one if there is none."""
    if not text:
        return secrets.token_hex(4)
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise ValueError("must be 1 to 64 letters, digits, dots, dashes or underscores")
    return text


def workers(text: str) -> int:
    """A number of processes; `auto` is one for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if text == "auto" else integer(1, 256)(text)


def redis_url(text: str) -> StoreAddress | None:
    """Where the store is; None if there is none."""
    return parse_url(text) if text else None


def prefix(text: str) -> str:
    """The prefix of each key, without the characters that have a meaning in patterns of Redis."""
    if not re.fullmatch(r"[!-~]{1,64}", text) or re.search(r"[*?\[\]\\^]", text):
        raise ValueError("must be 1 to 64 visible ASCII characters without *, ?, [, ], ^ and backslash")
    return text


def socket_folder(text: str) -> str:
    """The absolute path of a folder for UNIX sockets, or empty."""
    if text and not text.startswith("/"):
        raise ValueError("must be an absolute path")
    if len(os.fsencode(text)) > LONGEST_FOLDER:
        raise ValueError(f"must be at most {LONGEST_FOLDER} bytes long: paths of sockets are short")
    return text


def plain_text(text: str) -> str:
    """Text without control characters."""
    if len(text) > 1024 or not text.isprintable():
        raise ValueError("must be at most 1024 printable characters")
    return text


def file(text: str) -> str:
    """The path of a file that exists, or empty."""
    if text.startswith("-----BEGIN"):
        raise ValueError("must be the path of a file, not what is in it")
    if text and not os.path.isfile(text):
        raise ValueError("is not a file")
    return text


def secret(shortest: int) -> Callable[[str], str]:
    """A secret of at least so many bytes, or empty."""

    def parse(text: str) -> str:
        if text.startswith("-----BEGIN"):  # what is public must not be taken for a secret
            raise ValueError("must be a secret that both sides share, not a key or a certificate in PEM form")
        if not text.isprintable():
            raise ValueError("has a line end or another invisible character inside")
        if text and len(text.encode()) < shortest:
            raise ValueError(f"must be at least {shortest} bytes long: whoever sees its work could guess a shorter one")
        return text

    return parse


def bearer_token(shortest: int) -> Callable[[str], str]:
    """A secret that is sent in a header, or empty."""
    parse_secret = secret(shortest)

    def parse(text: str) -> str:
        if re.search(r"[^!-~]", text):
            raise ValueError("must be visible ASCII characters: others cannot be in a header")
        return parse_secret(text)

    return parse


def host_names(text: str) -> frozenset[str]:
    """Names of hosts, comma-separated, without ports, in small letters."""
    names = frozenset(name.strip().rstrip(".").lower() for name in text.split(",")) if text else frozenset()
    for name in names:
        if not re.fullmatch(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", name):
            raise ValueError("must be names of hosts, comma-separated, without https:// and ports")
    return names


def accounts(text: str) -> tuple[Account, ...]:
    """Accounts, comma-separated, each ``name:role:token``. What is wrong is said by number: a name may be a token."""
    found: list[Account] = []
    for number, entry in enumerate(text.split(",") if text else (), 1):
        try:
            account = _account(entry.strip())
        except ValueError as error:
            raise ValueError(f"entry {number} {error}") from None
        for before in found:
            if account.name == before.name or account.token == before.token:
                what = "name" if account.name == before.name else "token"
                raise ValueError(f"entry {number} has the {what} of an earlier one")
        found.append(account)
    return tuple(found)


def _account(entry: str) -> Account:
    name, role, token = (*entry.split(":", 2), "", "")[:3]
    if not re.fullmatch(rf"[A-Za-z0-9._-]{{1,{MAX_NAME_LENGTH}}}", name) or not role or not token:
        raise ValueError(f"must be name:role:token, the name 1 to {MAX_NAME_LENGTH} letters, digits, dots or dashes")
    if role not in list(Role):
        raise ValueError(f"must have a role that is one of {', '.join(Role)}")
    try:
        return Account(name, Role(role), bearer_token(16)(token))
    except ValueError as error:
        raise ValueError(f"has a token that {error}") from None


def choice(of: type[E]) -> Callable[[str], E]:
    """A member of an enumeration, by its value."""
    parse = one_of(tuple(of))
    return lambda text: of(parse(text))


def algorithms(text: str) -> frozenset[str]:
    """Names of signature algorithms, comma-separated."""
    algorithms = frozenset(word.strip() for word in text.split(",") if word.strip())
    if not algorithms <= {*HMAC, *PUBLIC}:
        raise ValueError(f"must be some of {', '.join((*HMAC, *PUBLIC))}, comma-separated")
    if algorithms & HMAC.keys() and algorithms & {*PUBLIC}:
        raise ValueError("must be for secrets (HS…) or for public keys, not for both: one would be taken for the other")
    return algorithms


def match_keys(text: str) -> Mapping[str, frozenset[str]] | None:
    """Keys separated by semicolons, each with values after `=` or with any; None for any keys."""
    if not text:
        return None
    keys: dict[str, frozenset[str]] = {}
    for part in text.split(";"):
        key, has_values, rest = part.partition("=")
        keys[_word(key)] = frozenset(map(_word, rest.split(","))) if has_values else frozenset()
    return keys


def match_claims(text: str) -> tuple[str, ...]:
    """Names of claims, comma-separated."""
    names = tuple(name.strip() for name in text.split(",")) if text else ()
    for name in names:
        _word(name)
    return names


def pools(text: str) -> tuple[str, ...]:
    """Names of pools, comma-separated, each once, as they are compared."""
    return tuple(dict.fromkeys(_folded(name) for name in text.split(","))) if text else ()


def releases(text: str) -> tuple[str, ...]:
    """Names of releases of a page, comma-separated."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(","))) if text else ()
    if len(names) > RELEASES_AT_MOST:
        raise ValueError(f"must be at most {RELEASES_AT_MOST} names: each is counted apart")
    for name in names:
        if not 0 < len(name) <= MAX_RELEASE_LENGTH or not name.isprintable() or name in (OTHER, UNNAMED):
            raise ValueError(
                f"must be names of 1 to {MAX_RELEASE_LENGTH} printable characters, but {OTHER} and {UNNAMED}"
            )
    return names


def _word(text: str) -> str:
    """A word of matching, as it is compared."""
    word = _folded(text)
    if word == LIKES:
        raise ValueError(f"must not have {LIKES} among its words: that is a field of its own")
    return word


def _folded(text: str) -> str:
    word = fold(text.strip())
    if not 0 < len(word) <= MAX_WORD_LENGTH or not word.isprintable():
        raise ValueError(f"must be words of 1 to {MAX_WORD_LENGTH} characters")
    return word


def jwks(text: str) -> str:
    """A path or an https URL of a JSON Web Key Set, or empty."""
    return https_url(text) if "://" in text else file(text)


def https_url(text: str) -> str:
    """An https URL, or an http one of this machine, or empty."""
    if not text:
        return ""
    parts = urls.split(text)
    if parts.scheme not in {"https", "http"} or not text.isascii() or not parts.host or parts.credentials is not None:
        raise ValueError("must be an https:// URL in ASCII, without user and password")
    if parts.scheme == "http" and parts.host not in {"localhost", "127.0.0.1", "::1"}:
        raise ValueError("must be https://: who is on the way could read and change what goes over it")
    return text


def webhook_secret(text: str) -> bytes:
    """The bytes of a Standard Webhooks secret: base64 after `whsec_`, otherwise the text itself; or empty."""
    if not text:
        return b""
    try:
        secret = base64.b64decode(text[6:], validate=True) if text.startswith("whsec_") else text.encode()
    except ValueError:
        raise ValueError("must be base64 after whsec_") from None
    if len(secret) < 16:
        raise ValueError("must be at least 16 bytes long: whoever sees what it signs could guess a shorter one")
    return secret


def webhook_events(text: str) -> frozenset[EventKind]:
    """What is posted to the operator, comma-separated."""
    try:
        return frozenset(EventKind(name.strip().lower()) for name in text.split(","))
    except ValueError:
        raise ValueError(f"must be some of {', '.join(EventKind)}, comma-separated") from None


def one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    """One of these words."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text.lower()

    return parse


def endpoint(text: str) -> str:
    """A Twisted endpoint string; what it means is seen when it is opened, but for a port that cannot be."""
    kind, colon, rest = text.replace(WORKER, "1").partition(":")
    if not colon:
        raise ValueError("must be a Twisted endpoint, for example tcp:8080:interface=127.0.0.1")
    port = rest.partition(":")[0].removeprefix("port=")
    if (kind in {"tcp", "tcp6"} or (kind == "ssl" and port.isdecimal())) and not _is_port(port):
        raise ValueError(f"must have a port from 0 to 65535, for example {kind}:8080")
    return text


class Spot(NamedTuple):
    """Where an endpoint listens.

    Attributes:
        port: Of TCP, or the path of a UNIX socket.
        interface: Empty for all.
        families: Those of its addresses: 4, 6, or 0 for a path.
    """

    port: str
    interface: str = ""
    families: frozenset[int] = frozenset((4, 6))

    def meets(self, other: "Spot") -> bool:
        """Whether only one of the two can be opened."""
        interfaces = {self.interface, other.interface}
        same = len(interfaces) == 1 or "" in interfaces
        return self.port == other.port and same and not self.families.isdisjoint(other.families)


def place(text: str) -> Spot | None:
    """Where an endpoint listens; None for a port that the kernel chooses, or a kind of which nothing is known here."""
    kind, *words = re.split(r"(?<!\\):", text)
    named = dict(word.split("=", 1) for word in words if "=" in word)
    first = next((word for word in words[:1] if "=" not in word), "")
    if kind == "unix":
        return Spot(named.get("address", first), families=frozenset((0,)))
    port, interface = named.get("port", first), named.get("interface", "").replace("\\", "")
    if kind not in {"tcp", "tcp6", "ssl"} or not _is_port(port) or not int(port):
        return None
    family = 6 if kind == "tcp6" or ":" in interface else 4
    both = kind == "ssl" and not interface
    everywhere = interface in {"0.0.0.0", "::"}  # noqa: S104 - compared, not listened on
    return Spot(port, "" if everywhere else interface, frozenset((4, 6) if both else (family,)))


def _is_port(text: str) -> bool:
    return re.fullmatch("[0-9]{1,5}", text) is not None and int(text) <= 65535
