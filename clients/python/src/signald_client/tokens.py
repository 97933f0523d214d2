"""Tokens (JWT) that say who the user is: asked for when they are needed, and before they end."""

import asyncio
import base64
import inspect
import json
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

from signald_client.errors import Ended

GetToken = Callable[[], str | Awaitable[str]]

RENEW_BEFORE_S = 60.0
"""A token is replaced so long before it ends, but not before half of its time."""

AT_LEAST_S = 1.0
"""Between two tokens, if each is about to end when it comes."""

RENEW_AGAIN_S = 60.0
"""Until another attempt to get one."""

LONGEST_SLEEP_S = 86_400.0
"""The loop takes no endless ones."""

_log = logging.getLogger("signald_client")


class Tokens:
    """The token of the moment.

    Args:
        get_token: Gives a new one; None if the server asks for none.
        now: Seconds since 1970.
    """

    def __init__(self, get_token: GetToken | None, now: Callable[[], float] = time.time) -> None:
        if get_token is not None and not callable(get_token):
            raise TypeError("get_token is to be a function that gives a token")
        self._get_token = get_token
        self._now = now
        self._token: str | None = None
        self._renew_at = math.inf
        self.wanted = get_token is not None

    @property
    def renew_in_s(self) -> float:
        """Seconds until the present one should be replaced."""
        return self._renew_at - self._now()

    async def current(self) -> str | None:
        """The present one, or a new one if that is about to end."""
        if self._token is None or self.renew_in_s <= 0:
            return await self.fresh()
        return self._token

    async def fresh(self) -> str | None:
        """A new one."""
        if self._get_token is None:
            return None
        given: Any = self._get_token()
        token = await given if inspect.isawaitable(given) else given
        if not isinstance(token, str):
            raise TypeError(f"get_token is to give a token, a text, and has given {type(token).__name__}")
        now, end = self._now(), end_of(token)
        self._token = token
        self._renew_at = max(end - RENEW_BEFORE_S, (now + end) / 2, now + AT_LEAST_S)
        return token

    async def keep_fresh(self, show: Callable[[str], Awaitable[None]]) -> None:
        """Get a new one before the last one ends, until cancelled.

        Args:
            show: Has it told to the server.
        """
        while True:
            await asyncio.sleep(min(max(0.0, self.renew_in_s), LONGEST_SLEEP_S))
            if self.renew_in_s > 0:
                continue
            try:
                if (token := await self.fresh()) is not None:
                    await show(token)
            except Ended:
                return
            except Exception as failure:  # whatever the caller's function raises: there is time for another attempt
                _log.warning("no good token: %s", failure)
                await asyncio.sleep(RENEW_AGAIN_S)

    def forget(self) -> bool:
        """The server has refused the present one. Gives whether there was one."""
        token, self._token = self._token, None
        return token is not None


def end_of(token: str) -> float:
    """When a token ends, in seconds since 1970 (RFC 7519 4.1.4); never, if it does not say."""
    try:
        claims = token.split(".")[1]
        end = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
        return float(end)
    except (IndexError, KeyError, TypeError, ValueError):
        return math.inf  # The server knows.
