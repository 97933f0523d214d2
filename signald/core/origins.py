"""Decides which web pages may connect: the `Origin` header against the operator's list (RFC 6455 10.2, RFC 6454)."""

import re
from typing import Final

import idna

from signald.core import urls

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

OPAQUE: Final = frozenset(("null", "file://"))
"""What pages send that have no host: those in a file or a sandbox, and apps in some web views."""

MAX_ORIGIN_CHARS: Final = 320
"""A name has 253 at most. A longer header is of no page, and would cost its length at each handshake."""


def normalise(origin: str) -> str:
    """An origin as browsers write it, so that two that mean the same are equal.

    Args:
        origin: As in the header, for example ``https://example.com``; apps in a web view have schemes of their own, for
            example ``capacitor://localhost``.

    Raises:
        ValueError: It is no origin of a page or an app. The message does not repeat it.
    """
    if origin in OPAQUE:
        return origin
    url = urls.split(origin.strip())
    if not url.host:
        raise ValueError("has no host: write it like https://example.com")
    if url.path not in ("", "/") or url.query or url.credentials is not None:
        raise ValueError("has more than scheme, host and port")
    host = f"[{url.host}]" if ":" in url.host else url.host
    usual = url.port is None or url.port == _DEFAULT_PORTS.get(url.scheme)
    return f"{url.scheme}://{host}" if usual else f"{url.scheme}://{host}:{url.port}"


def listed(text: str) -> str:
    """An origin as the operator lists it, in the form that `allows` compares.

    Args:
        text: Like the header; besides, a name may be internationalised, and its first label may be ``*``.

    Raises:
        ValueError: No page has this origin. The message does not repeat it.
    """
    text = text.strip()
    if (opaque := text.lower().replace("file:///", "file://")) in OPAQUE:
        return opaque
    if "://" not in text:
        raise ValueError("must begin with a scheme, like https://example.com")
    if text.lower().startswith(("ws://", "wss://")):
        raise ValueError("must be the address of the page, which begins with https:// or http://, not of the WebSocket")
    scheme, _, rest = text.partition("://")
    any_label, rest = rest.startswith("*."), rest.removeprefix("*.")
    if "*" in rest:
        raise ValueError("may have a * only as the first part of the name, like https://*.example.com; * alone is all")
    same = normalise(f"{scheme}://{_in_ascii(rest)}")
    if not any_label:
        return same
    scheme, _, rest = same.partition("://")
    name = rest.partition(":")[0].rstrip(".")
    if rest.startswith("[") or name.rpartition(".")[2].isdigit():
        raise ValueError("has a * before an address: it stands for a part of a name")
    if "." not in name and name != "localhost":
        raise ValueError("has a * before a top-level domain: anybody could have a page there")
    return f"{scheme}://*.{rest}"


def allows(allowed: frozenset[str], origin: str | None) -> bool:
    """Whether a handshake with this ``Origin`` header may go on.

    Args:
        allowed: Origins by `listed`; empty allows everybody.
        origin: The header's value, None if there is none. Refused if a list is set: only browsers send it, and a
            server that lists origins wants browsers.
    """
    if not allowed:
        return True
    if origin is None:
        return False
    if origin in allowed:  # nearly all, as browsers write what `normalise` makes
        return True
    if len(origin) > MAX_ORIGIN_CHARS:
        return False
    try:
        same = normalise(origin)
    except ValueError:
        return False
    scheme, _, rest = same.partition("://")
    return same in allowed or f"{scheme}://*.{rest.partition('.')[2]}" in allowed


def _in_ascii(authority: str) -> str:
    """What stands behind ``://``, its name as browsers send it: in punycode (UTS 46)."""
    if authority.isascii():
        return authority
    name, rest = re.fullmatch(r"([^/:?#@\[]*)(.*)", authority, re.DOTALL).groups()  # type: ignore[union-attr]
    try:
        return idna.encode(name, uts46=True).decode() + rest
    except UnicodeError:
        raise ValueError("has a name that no host has; or write it in punycode, xn--bcher-kva.example") from None
