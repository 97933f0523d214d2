"""What every page tells browsers to refuse."""

import re
from importlib.resources import files
from pathlib import Path

from tests.support.memory import MemoryDaemon, MemoryTest

STATIC = Path(str(files("signald.web") / "static"))


def headers(daemon: MemoryDaemon, path: str) -> dict[str, str]:
    """Of the response to a GET."""
    client = daemon.connect()
    client.write(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
    return dict(client.response.headers)


class SecurityHeaders(MemoryTest):
    """Of every response, whatever its status."""

    def test_policy(self) -> None:
        """A hole in the page would be one in every visitor's camera; or another site could frame it."""
        daemon = self.start()
        for path in (
            "/",
            "/healthz",
            "/readyz",
            "/ws",
            "/nowhere",
            *(f"/static/{file.relative_to(STATIC)}" for file in STATIC.rglob("*.*")),
        ):
            given = headers(daemon, path)
            policy = dict(part.strip().split(" ", 1) for part in given["content-security-policy"].split(";"))
            self.assertEqual(policy["default-src"], "'none'", path)
            self.assertEqual(policy["script-src"], "'self'", path)
            self.assertEqual(policy["style-src"], "'self'", path)
            self.assertEqual(policy["worker-src"], "blob:", path)
            for forbidden in ("base-uri", "form-action", "frame-ancestors"):
                self.assertEqual(policy[forbidden], "'none'", path)
            self.assertNotIn("unsafe", given["content-security-policy"])
            self.assertNotIn("*", given["content-security-policy"])
            self.assertEqual(given["x-content-type-options"], "nosniff", path)
            self.assertEqual(given["referrer-policy"], "no-referrer", path)
            self.assertEqual(given["permissions-policy"], "camera=(self), microphone=(self), geolocation=()", path)

    def test_health_is_not_kept(self) -> None:
        """A cache would tell monitoring that all is well, for ever."""
        self.assertEqual(headers(self.start(), "/healthz")["cache-control"], "no-store")

    def test_page_needs_nothing_that_the_policy_forbids(self) -> None:
        """Somebody would loosen the policy to make an inline script work."""
        page = (STATIC / "demo/index.html").read_text()
        self.assertEqual(re.findall(r"<script(?![^>]*\bsrc=)", page), [])
        self.assertEqual(re.findall(r"<style|\sstyle=|\son\w+=|javascript:", page), [])
        self.assertEqual(re.findall(r'(?:src|href)="(?:https?:)?//', page), [])
        for file in STATIC.rglob("*.js"):
            self.assertEqual(
                re.findall(r"\beval\(|innerHTML|outerHTML|document\.write", file.read_text()), [], file.name
            )
