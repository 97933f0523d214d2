"""Builds the resource tree of pages, which have nothing below them, and folders, which are nothing themselves.

Twisted's own pages for errors are deprecated, for they do not escape what they quote: ours quote nothing.
"""

from http import HTTPStatus
from typing import Final

from twisted.web.pages import errorPage, notFound
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request

NOTHING_HERE: Final = notFound("Not found", "There is nothing here. Look at / or /healthz.")
"""The body of the answer for a path that does not exist."""

_READ_ONLY: Final = errorPage(HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed", "This can only be read, by GET.")


class Folder(Resource):
    """Serves only what is below its path."""

    def render(self, request: Request) -> object:
        """See `Resource.render`."""
        return NOTHING_HERE.render(request)

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        return NOTHING_HERE


class Page(Folder):
    """Serves one path, with nothing below it. Subclasses have `render_GET`."""

    def render(self, request: Request) -> object:
        """See `Resource.render`; whatever does not read is refused (RFC 9110 15.5.6)."""
        if request.method in (b"GET", b"HEAD"):
            return self.render_GET(request)
        request.setHeader(b"allow", b"GET, HEAD")
        return _READ_ONLY.render(request)

    def render_GET(self, request: Request) -> bytes | int:
        """The body, after the headers were set; or `NOT_DONE_YET`."""
        raise NotImplementedError
