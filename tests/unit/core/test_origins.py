"""Which origins are the same, and which are none."""

import pytest

from signald.core import origins

ALLOWED = frozenset(
    origins.normalise(origin) for origin in ("https://example.com", "http://localhost:3000", "https://[::1]:8443")
)


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("https://example.com", "https://example.com:443"),
        ("HTTPS://Example.COM", "https://example.com:443"),
        ("http://example.com", "http://example.com:80"),
        (" https://example.com/ ", "https://example.com:443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://[::1]", "https://[::1]:443"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example:443"),
    ],
)
def test_normalise(origin: str, same: str) -> None:
    """The operator's own page is refused because its origin is written another way."""
    assert origins.normalise(origin) == same


@pytest.mark.parametrize(
    "origin",
    [
        *("", "null", "example.com", "//example.com", "https://", "https:example.com", "file://"),
        *("https://example.com/path", "https://example.com?x", "https://example.com/#x", "https://a:b@example.com"),
        *("https://example.com:port", "https://example.com:99999", "https://[::1", "*", "https://:443"),
    ],
)
def test_no_origin(origin: str) -> None:
    """A slip in the list lets nobody in, or everybody, and nobody is told."""
    with pytest.raises(ValueError, match=r".+"):
        origins.normalise(origin)
    assert not origins.allows(ALLOWED, origin)


@pytest.mark.parametrize("origin", ["https://example.com", "https://EXAMPLE.com:443", "https://[::1]:8443"])
def test_listed(origin: str) -> None:
    """The operator's own page is refused."""
    assert origins.allows(ALLOWED, origin)


@pytest.mark.parametrize(
    "origin",
    [
        *(None, "http://example.com", "https://example.com:8443", "https://sub.example.com", "https://example.comx"),
        *("https://example.com.evil.example", "https://evil.example#https://example.com", "http://localhost"),
        *("http://localhost:30000", "http://127.0.0.1:3000", "https://[::1]", "https://example.com@evil.example"),
    ],
)
def test_elsewhere(origin: str | None) -> None:
    """A page from elsewhere uses the operator's server."""
    assert not origins.allows(ALLOWED, origin)


@pytest.mark.parametrize("origin", [None, "null", "https://anything.example", "nonsense"])
def test_without_a_list(origin: str | None) -> None:
    """A server that is open to all refuses somebody."""
    assert origins.allows(frozenset(), origin)
