"""Serves files: compressed for those who take that, and with no body for those who have them already."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from twisted.web.resource import IResource
from twisted.web.server import Request

from signald.web.assets import Asset, Assets, hashed, unhashed
from signald.web.channel import keep
from signald.web.resources import NOTHING_HERE, Folder, Page

FOR_EVER: Final = b"public, max-age=31536000, immutable"
"""For browsers and proxies (RFC 9111 5.2.2, RFC 8246): a year, and no question at a reload either."""

_TAG: Final = re.compile(rb'"[^"]*"')


class FilePage(Page):
    """One file.

    Args:
        asset: What is sent.
        cache: ``Cache-Control``; empty for what every response has, ``no-cache``: keep it, and ask each time.
        headers: Others, in place of those that every response has.
    """

    def __init__(self, asset: Asset, cache: bytes = b"", headers: Mapping[bytes, bytes] = MappingProxyType({})) -> None:
        super().__init__()
        self._asset = asset
        self._cache = cache
        self._headers = headers

    def render_GET(self, request: Request) -> bytes:
        """See `Page.render_GET`."""
        keep(request)
        for name, value in self._headers.items():
            request.setHeader(name, value)
        body, tag = self._asset.body, self._asset.digest[:16]
        if self._asset.gzipped:
            request.setHeader(b"vary", b"Accept-Encoding")
            if takes_gzip(request.getHeader(b"accept-encoding") or b""):
                request.setHeader(b"content-encoding", b"gzip")
                body, tag = self._asset.gzipped, f"{tag}-gz"
        if self._cache:
            request.setHeader(b"cache-control", self._cache)
        etag = f'"{tag}"'.encode()
        request.setHeader(b"etag", etag)
        # Weak ones too: a proxy that has compressed the file itself makes them so (RFC 9110 13.1.2).
        if etag in _TAG.findall(request.getHeader(b"if-none-match") or b""):
            request.setResponseCode(304, b"Not Modified")
            request.responseHeaders.removeHeader(b"content-encoding")
            return b""
        request.setHeader(b"content-type", self._asset.content_type)
        return body


class StaticFolder(Folder):
    """``/static`` and each folder below it: files by their names, and what the page is made of by names with a hash.

    Another release's hash gets the file of this one, not to be kept: while instances are replaced one by one, a page
    may come from one and its script be asked of another.

    Args:
        assets: All of them.
        path: Of this folder, with a slash at its end.
    """

    def __init__(self, assets: Assets, path: str = "") -> None:
        super().__init__()
        self._path = path
        self._lasting = {name: FilePage(asset) for name, asset in assets.lasting.items()}
        pages = {name: FilePage(asset) for name, asset in assets.files.items()}
        pages |= {hashed(name, asset): FilePage(asset, FOR_EVER) for name, asset in assets.lasting.items()}
        for name, page in pages.items():
            here, slash, _ = name.removeprefix(path).partition("/")
            if name.startswith(path) and not (slash and here.encode() in self.children):
                self.putChild(here.encode(), StaticFolder(assets, f"{path}{here}/") if slash else page)

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        return self._lasting.get(unhashed(self._path + path.decode("latin-1")) or "", NOTHING_HERE)


def takes_gzip(accepted: bytes) -> bool:
    """Whether ``Accept-Encoding`` allows gzip (RFC 9110 12.5.3)."""
    for offer in accepted.lower().split(b","):
        coding, _, weight = offer.replace(b" ", b"").partition(b";q=")
        if coding == b"gzip":
            return weight.strip(b"0.") != b"" or not weight
    return False
