"""What was asked of the server and has no answer yet. No more than there are tasks that wait for one."""

import asyncio
from collections.abc import Iterable
from typing import Any

from signald_client.errors import refused


class Requests:
    """Questions by their ids.

    Args:
        last_id: The highest that was used before.
    """

    def __init__(self, last_id: int) -> None:
        self._last_id = last_id
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}

    def new(self) -> tuple[int, asyncio.Future[dict[str, Any]]]:
        """An id, and its answer to be."""
        self._last_id += 1
        id = self._last_id
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[id] = answer
        answer.add_done_callback(lambda _: self._asked.pop(id, None))
        return id, answer

    def answer(self, message: Any) -> bool:
        """An `ok` or an `error` came; gives whether somebody waits for it."""
        asked = self._asked.get(message.get("id"))
        if asked is None or asked.done():
            return False
        if message["type"] == "ok":
            asked.set_result(message)
        else:
            asked.set_exception(refused(message["code"], message["message"]))
        return True

    def forsake(self, error: Exception, ids: Iterable[int] | None = None) -> None:
        """Nobody will answer these, or all."""
        for id in list(self._asked if ids is None else ids):
            asked = self._asked.get(id)
            if asked is not None and not asked.done():
                asked.set_exception(error)
