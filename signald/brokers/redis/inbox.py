"""Keeps the reports of all instances in the store: a stream, and an index that says what has become of each.

What the store was not told yet, because it was away, is kept and told when it is back.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import msgspec
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from signald.brokers.inbox import FoundReport, Inbox, ReportPage
from signald.brokers.redis.access import FILE, JUDGE, Access
from signald.brokers.redis.keys import Keys
from signald.brokers.redis.problems import StoreUnavailable
from signald.core.ids import ReportId
from signald.core.reports import FiledReport, KeptReport, ReportBounds, ReportShelf, ReportState, Ruling

REPORTS_HELD: Final = 5_000
"""Reports that are kept for the store as long as it is away; 15 MB at most, of 3 kB. The oldest are forgotten first."""

WRITTEN_AT_ONCE: Final = 100
"""Reports in one call: 300 kB at most, and half of what a call takes out."""

READ_AT_ONCE: Final = 200
"""Reports that one call reads; the store does nothing else meanwhile."""

_encode = msgspec.json.Encoder().encode
_decode_report = msgspec.json.Decoder(FiledReport).decode
_decode_ruling = msgspec.json.Decoder(Ruling).decode


class SharedInbox:
    """Keeps the reports of one instance with those of all others.

    Args:
        access: Reaches the store.
        keys: Names there.
        bounds: How many are kept, and how long.
        now: Seconds, monotonic.
        unix_time: Seconds since 1970, by the store's clock.
    """

    _log = Logger()

    def __init__(
        self,
        access: Access,
        keys: Keys,
        bounds: ReportBounds,
        now: Callable[[], float],
        unix_time: Callable[[], float],
    ) -> None:
        self._access = access
        self._stream, self._index = keys.reports, keys.report_index
        self._bounds = bounds
        self._now = now
        self._unix_time = unix_time
        self._held = ReportShelf(ReportBounds(min(REPORTS_HELD, bounds.at_most), bounds.keep_s))
        self._telling = False

    @property
    def held(self) -> int:
        """See `Inbox.held`."""
        return len(self._held)

    def file(self, report: FiledReport) -> None:
        """See `Inbox.file`."""
        if self._bounds.at_most:
            if self._held.add(report, self._now()):
                self._log.warn("a report is in the log alone: too many wait for the store")
            self.tick()

    def tick(self) -> None:
        """Tell the store of what it does not know yet, if it can be asked."""
        if len(self._held) and not self._telling and self._access.reachable:
            self._telling = True
            Deferred.fromCoroutine(self._tell()).addErrback(self._access.failed)

    async def stop(self) -> None:
        """Say what was not said yet."""
        try:
            while len(self._held) and self._access.reachable:
                await self._write()
        except StoreUnavailable:
            self._access.failed(Failure())
        if len(self._held):
            self._log.warn("{count} reports are in the log alone: the store was away", count=len(self._held))

    async def page(
        self, limit: int, before: ReportId | None = None, state: ReportState | None = None, about: str = ""
    ) -> ReportPage:
        """See `Inbox.page`. Those that the store does not know yet come first."""
        self._held.forget(self._now())
        found: list[KeptReport] = []
        if before is None or before in self._held:
            found += (kept for kept in self._held.newest_first(before) if kept.fits(state, about))
            before = None
        total, complete = len(self._held), self._access.reachable
        try:
            if complete:
                total += await self._access.call("report", "XLEN", self._stream)
                known = {kept.report.report_id for kept in found}
                async for some in self._read(before):
                    found += (kept for kept in some if kept.fits(state, about) and kept.report.report_id not in known)
                    if len(found) > limit:
                        break
        except StoreUnavailable:
            complete = False
            self._access.failed(Failure())
        return ReportPage(found[:limit], total, len(found) > limit, complete)

    async def find(self, id: ReportId) -> FoundReport:
        """See `Inbox.find`."""
        if id in self._held:
            return FoundReport(self._held.find(id))
        if not self._access.reachable:
            return FoundReport(None, complete=False)
        try:
            return FoundReport(await self._look_up(id))
        except StoreUnavailable:
            self._access.failed(Failure())
            return FoundReport(None, complete=False)

    async def judge(self, id: ReportId, ruling: Ruling) -> FoundReport:
        """See `Inbox.judge`."""
        held = self._held.judge(id, ruling)
        if held is not None:  # if it is on its way to the store, it goes there once more
            self.tick()
            return FoundReport(held)
        if not self._access.reachable:
            return FoundReport(None, complete=False)
        try:
            if not await self._access.script(JUDGE, [self._index], id, _encode(ruling)):
                return FoundReport(None)
            return FoundReport(await self._look_up(id))
        except StoreUnavailable:
            self._access.failed(Failure())
            return FoundReport(None, complete=False)

    async def _tell(self) -> None:
        try:
            while len(self._held) and self._access.reachable:
                await self._write()
        finally:
            self._telling = False

    async def _write(self) -> None:
        """Write down those that came first (``file.lua``)."""
        some = self._held.oldest(WRITTEN_AT_ONCE)
        words = [
            word
            for report, ruling in some
            for word in (report.report_id, _encode(report), "" if ruling is None else _encode(ruling))
        ]
        bounds = str(self._bounds.at_most), str(int(self._bounds.keep_s * 1000))
        await self._access.script(FILE, [self._stream, self._index], *bounds, *words)
        for kept in some:
            self._held.remove(kept)

    async def _look_up(self, id: ReportId) -> KeptReport | None:
        known: bytes | None = await self._access.call("report", "HGET", self._index, id)
        if known is None:
            return None
        entry = known.partition(b"|")[0]
        found = await self._access.call("report", "XRANGE", self._stream, entry, entry)
        return next(iter(self._kept(found, [known])), None)

    async def _read(self, before: ReportId | None) -> AsyncIterator[list[KeptReport]]:
        """Those that came before this one, the newest first, some at a time."""
        upto = b"+"
        if before is not None:
            known: bytes | None = await self._access.call("report", "HGET", self._index, before)
            if known is None:
                return
            upto = b"(" + known.partition(b"|")[0]
        oldest = str(max(0, int((self._unix_time() - self._bounds.keep_s) * 1000)))
        while True:
            found = await self._access.call(
                "report", "XREVRANGE", self._stream, upto, oldest, "COUNT", str(READ_AT_ONCE)
            )
            if not found:
                return
            ids = [fields[1] for _, fields in found]
            yield self._kept(found, await self._access.call("report", "HMGET", self._index, *ids))
            upto = b"(" + found[-1][0]

    def _kept(self, found: Sequence[tuple[bytes, Sequence[bytes]]], known: Sequence[bytes | None]) -> list[KeptReport]:
        """Entries of the stream and rulings; without what cannot be read, since another version wrote it."""
        kept = []
        for (_, fields), note in zip(found, known, strict=True):
            try:
                ruling = (note or b"").partition(b"|")[2]
                kept.append(KeptReport(_decode_report(fields[3]), _decode_ruling(ruling) if ruling else None))
            except (msgspec.MsgspecError, IndexError) as error:
                self._log.debug(
                    "not a report: {fields!r} in {stream}: {why}", fields=fields, stream=self._stream, why=error
                )
        return kept


def _conforms(inbox: SharedInbox) -> Inbox:
    return inbox
