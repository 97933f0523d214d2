"""Which web pages may connect: the `Origin` header against the operator's list (RFC 6455 10.2, RFC 6454)."""

from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def normalise(origin: str) -> str:
    """An origin as scheme, host and port, so that two that mean the same are equal.

    Args:
        origin: As in the header or in the setting, for example ``https://example.com``; apps in a web view have
            schemes of their own, for example ``capacitor://localhost``.

    Raises:
        ValueError: It is no origin of a page or an app.
    """
    parts = urlsplit(origin.strip())
    if not parts.scheme or not parts.hostname:
        raise ValueError(f"{origin!r} is not an origin like https://example.com")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(f"{origin!r} has more than scheme, host and port")
    scheme = parts.scheme.lower()
    port = parts.port or _DEFAULT_PORTS.get(scheme)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}:{port}" if port else f"{scheme}://{host}"


def allows(allowed: frozenset[str], origin: str | None) -> bool:
    """Whether a handshake with this ``Origin`` header may go on.

    Args:
        allowed: Normalised origins; empty allows everybody.
        origin: The header's value, None if there is none. Refused if a list is set: only browsers send it, and a
            server that lists origins wants browsers.
    """
    if not allowed:
        return True
    if origin is None:
        return False
    try:
        return normalise(origin) in allowed
    except ValueError:
        return False
