"""An operator's shell: requests to the admin endpoint of a daemon."""

import http.client
import json
from typing import Any

from tests.support.waiting import PATIENCE_S

TOKEN = "the-token-of-the-operator"


class Operator:
    """Asks one instance.

    Args:
        port: Of its admin endpoint on 127.0.0.1.
        token: What it shows; None for nothing.
    """

    def __init__(self, port: int, token: str | None = TOKEN) -> None:
        self.port = port
        """Of the endpoint that it asks."""
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.headers: dict[str, str] = {}
        """Of the last response, names in small letters."""

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request: status and JSON of the answer, None if it has no body. Bytes are sent as they are."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, sent, self._headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, json.loads(text) if text else None
