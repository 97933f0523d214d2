"""What systemd does for a daemon, at the other end of NOTIFY_SOCKET."""

import socket

from tests.support.waiting import PATIENCE_S


class Supervisor:
    """Stands for systemd at the other end of NOTIFY_SOCKET.

    Args:
        address: A path, or a name in the abstract namespace that begins with a zero byte.
    """

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)

    def hears(self, timeout_s: float = PATIENCE_S) -> str:
        """The next notification."""
        self.socket.settimeout(timeout_s)
        return self.socket.recv(4096).decode()

    def hears_until(self, word: str) -> list[str]:
        """All notifications up to the one with this word."""
        heard = [self.hears()]
        while word not in heard[-1]:
            heard.append(self.hears())
        return heard

    def forget(self) -> None:
        """Throw away what was sent up to now."""
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(4096)
        except BlockingIOError:
            pass
