"""Shows the operator what clients reported of each other, and takes what was made of it; a part of the API.

=========================================  =============================================================================
``GET /reports``                           the newest first; ``?limit=``, ``?state=``, ``?before=`` a report id,
                                           ``?about=`` the id of a client or user
``GET /reports/<id>``                      one of them
``POST /reports/<id>``                     what has become of it: `NewRuling`
=========================================  =============================================================================
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Final, Protocol

import msgspec
from msgspec import UNSET, Meta, UnsetType
from twisted.web.resource import IResource
from twisted.web.server import Request

from signald.brokers.inbox import FoundReport, ReportPage
from signald.core.accounts import ADMIN, Account
from signald.core.ids import ReportId
from signald.core.messages import MAX_USER_ID_LENGTH
from signald.core.reports import MAX_BY_LENGTH, MAX_NOTE_LENGTH, KeptReport, ReportState
from signald.web.api import Api, ApiError, Endpoint, Method, body, number, query, text_of

LISTED: Final = 100
"""Reports in one answer if the request does not say."""

LISTED_AT_MOST: Final = 500
"""Reports in one answer: 1.5 MB at the worst."""


class ReportDesk(Protocol):
    """Knows all reports; see `signald.moderation.reports.Reports`."""

    async def page(
        self, limit: int, before: ReportId | None = None, state: ReportState | None = None, about: str = ""
    ) -> ReportPage:
        """List reports."""
        ...

    async def find(self, id: ReportId) -> FoundReport:
        """Look for one."""
        ...

    async def rule(self, id: ReportId, state: ReportState, by: str, note: str) -> FoundReport:
        """Note what has become of one."""
        ...


class NewRuling(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /reports/<id>``.

    Attributes:
        state: What has become of it.
        by: Who says so, for the log and for other operators; only for who shows ADMIN_TOKEN, which several may have.
        note: For other operators.
    """

    state: ReportState
    by: Annotated[str, Meta(min_length=1, max_length=MAX_BY_LENGTH)] | UnsetType = UNSET
    note: Annotated[str, Meta(max_length=MAX_NOTE_LENGTH)] = ""


class ReportsPage(Endpoint):
    """``/reports``.

    Args:
        api: What the resources share.
        desk: Knows the reports.
    """

    def __init__(self, api: Api, desk: ReportDesk) -> None:
        super().__init__(api)
        self._desk = desk

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._list}

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See `Resource.getChild`."""
        return _Report(self._api, self._desk, ReportId(text_of(path)))

    async def _list(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        limit = number(request, b"limit", LISTED, LISTED_AT_MOST)
        about = query(request, b"about")
        if len(about) > MAX_USER_ID_LENGTH:
            raise ApiError(HTTPStatus.BAD_REQUEST, f"about: at most {MAX_USER_ID_LENGTH} characters")
        page = await self._desk.page(limit, _before(request), _state(request), about)
        answer: dict[str, object] = {"total": page.total, "reports": [_shown(kept) for kept in page.reports]}
        if page.more and page.reports:
            answer["before"] = page.reports[-1].report.report_id
        return HTTPStatus.OK, {**answer, "complete": page.complete}


class _Report(Endpoint):
    """``/reports/<id>``."""

    def __init__(self, api: Api, desk: ReportDesk, id: ReportId) -> None:
        super().__init__(api)
        self._desk = desk
        self._id = id

    def methods(self) -> Mapping[bytes, Method]:
        """See `Endpoint.methods`."""
        return {b"GET": self._show, b"POST": self._rule}

    async def _show(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        return HTTPStatus.OK, _found(await self._desk.find(self._id))

    async def _rule(self, request: Request, who: Account) -> tuple[HTTPStatus, object]:
        asked = body(request, NewRuling)
        by = asked.by or who.name
        if who.name not in (by, ADMIN):
            raise ApiError(HTTPStatus.FORBIDDEN, f"by: this is the token of {who.name}")
        return HTTPStatus.OK, _found(await self._desk.rule(self._id, asked.state, by, asked.note))


def _found(found: FoundReport) -> dict[str, object]:
    if found.kept is not None:
        return _shown(found.kept)
    if found.complete:
        raise ApiError(HTTPStatus.NOT_FOUND, "no such report")
    raise ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "no such report here, and the store does not answer")


def _before(request: Request) -> ReportId | None:
    text = query(request, b"before")
    if not re.fullmatch(r"[\w-]{0,64}", text, re.ASCII):
        raise ApiError(HTTPStatus.BAD_REQUEST, "before: the id of a report")
    return ReportId(text) if text else None


def _state(request: Request) -> ReportState | None:
    text = query(request, b"state")
    try:
        return ReportState(text) if text else None
    except ValueError:
        raise ApiError(HTTPStatus.BAD_REQUEST, f"state: one of {', '.join(ReportState)}") from None


def _shown(kept: KeptReport) -> dict[str, object]:
    shown: dict[str, object] = {**msgspec.to_builtins(kept.report), "state": kept.state}
    if kept.ruling is not None:
        shown |= {"by": kept.ruling.by, "at": kept.ruling.at, "note": kept.ruling.note}
    return shown
