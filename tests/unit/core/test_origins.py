"""Which origins are the same, and which are none."""

import pytest

from signald.core import origins

ALLOWED = frozenset(
    origins.listed(origin) for origin in ("https://example.com", "http://localhost:3000", "https://[::1]:8443")
)


@pytest.mark.parametrize(
    ("origin", "same"),
    [
        ("https://example.com", "https://example.com"),
        ("HTTPS://Example.COM:443", "https://example.com"),
        ("http://example.com:80", "http://example.com"),
        ("http://example.com:443", "http://example.com:443"),
        (" https://example.com/ ", "https://example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://[::1]", "https://[::1]"),
        ("https://[0:0::0:1]:443", "https://[::1]"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("null", "null"),
        ("file://", "file://"),
    ],
)
def test_normalise(origin: str, same: str) -> None:
    """The operator's own page is refused because its origin is written another way."""
    assert origins.normalise(origin) == same


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "",
            "example.com",
            "//example.com",
            "https://",
            "https:example.com",
            "file:///etc",
            "https://b\u00fccher.example",
        ),
        *("https://example.com/path", "https://example.com?x", "https://example.com/#x", "https://a:b@example.com"),
        *("https://example.com:port", "https://example.com:99999", "https://[::1", "*", "https://:443"),
        *(
            "https://example.com:0",
            "https://example.com;",
            "https://exam ple.com",
            "https://*.example.com",
            "https://a..b",
        ),
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
        " " * 400 + "https://example.com",
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


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
        ("https://STRASSE.example", "https://strasse.example"),
        ("https://stra\u00dfe.example:8443", "https://xn--strae-oqa.example:8443"),
        ("https://*.example.com", "https://*.example.com"),
        ("https://*.b\u00fccher.example/", "https://*.xn--bcher-kva.example"),
        ("http://*.localhost:3000", "http://*.localhost:3000"),
        ("NULL", "null"),
        ("file:///", "file://"),
    ],
)
def test_what_an_operator_may_list(text: str, same: str) -> None:
    """A page is refused though the operator named it, in letters that only browsers write otherwise."""
    assert origins.listed(text) == same


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("wss://example.com", "not of the WebSocket"),
        ("ws://localhost:8080", "not of the WebSocket"),
        ("https://*", "first part"),
        ("https://a.*.example.com", "first part"),
        ("https://*.*.example.com", "first part"),
        ("*.example.com", "scheme"),
        ("https://*.com", "top-level"),
        ("https://*.0.0.1", "address"),
        ("https://*.[::1]", "address"),
        ("https://\u2603\u2603.example", "punycode"),
        ("https://example.com:99999", "port"),
        ("https://example.com\u2100", "no host has"),
        ("https://example.com/path", "more than"),
    ],
)
def test_what_no_page_sends(text: str, why: str) -> None:
    """A slip in the list starts, and then lets nobody in."""
    with pytest.raises(ValueError, match=why):
        origins.listed(text)


def test_any_label() -> None:
    """A site with a page for each customer must list them all; or whoever has a page somewhere below gets in."""
    allowed = frozenset((origins.listed("https://*.example.com"), origins.listed("http://*.localhost:3000")))
    for origin in ("https://a.example.com", "HTTPS://B.example.com:443", "http://x.localhost:3000"):
        assert origins.allows(allowed, origin), origin
    for origin in (
        *("https://example.com", "https://a.b.example.com", "http://a.example.com", "https://a.example.com:8443"),
        *("https://a.example.com.evil.example", "https://evil.example", "https://.example.com", "https://aexample.com"),
        *("http://x.localhost", "null", "file://", "https://[::1]"),
    ):
        assert not origins.allows(allowed, origin), origin


def test_pages_without_a_host() -> None:
    """An app whose page is in a file cannot be let in; or is let in unasked."""
    for origin in ("null", "file://"):
        assert origins.allows(frozenset((origins.listed(origin),)), origin)
        assert not origins.allows(ALLOWED, origin)
