"""HTTP beside the WebSocket: what there is, what there is not, and what may not be done."""

from tests.support.memory import MemoryClient, MemoryTest

PAGES = ("/", "/healthz", "/readyz", "/metrics", "/online", "/static/demo/index.html")


class Pages(MemoryTest):
    """Of a daemon with the demo page and metrics."""

    def setUp(self) -> None:
        self.daemon = self.start(PUBLIC_METRICS="true")

    def ask(self, path: str, method: str = "GET") -> MemoryClient:
        client = self.daemon.connect()
        client.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        self.assertTrue(client.gone)
        return client

    def test_what_there_is(self) -> None:
        """Balancers, monitoring and visitors are told that there is nothing."""
        for path in PAGES:
            self.assertEqual(self.ask(path).response.status, 200, path)
            self.assertEqual(self.ask(f"{path}?a=/b").response.status, 200, path)

    def test_nothing_below_a_page(self) -> None:
        """A probe with a typing error in its path is told that all is well, for ever."""
        for path in (*PAGES[1:], "/ws"):
            for below in ("/", "/x", "/x/y"):
                expected = 426 if path + below == "/ws/" else 404
                self.assertEqual(self.ask(path + below).response.status, expected, path + below)

    def test_what_there_is_not(self) -> None:
        """Folders of the demo page look like faults of the server."""
        folders = ("/static", "/static/", "/static/demo", "/static/demo/")
        for path in ("//", "//x", "/x", "/x/healthz", *folders, "/static/x.js", "/static/%2e%2e/pages.py"):
            answer = self.ask(path).response
            self.assertEqual(answer.status, 404, path)
            self.assertIn(b"There is nothing here", answer.rest)

    def test_pages_are_only_read(self) -> None:
        """Who uses the wrong method is not told which is right, and an operator reads of Twisted's deprecated pages."""
        for path in PAGES:
            for method in ("POST", "DELETE", "OPTIONS"):
                answer = self.ask(path, method).response
                self.assertEqual(answer.status, 405, (method, path))
                self.assertEqual(answer.headers["allow"], "GET, HEAD")
        self.assertEqual(self.ask("/nowhere", "POST").response.status, 404)

    def test_the_head_alone(self) -> None:
        """Monitoring that asks with HEAD is told of a fault, or waits for a body that does not come."""
        for path in PAGES:
            whole, head = self.ask(path).response, self.ask(path, "HEAD").response
            self.assertEqual((head.status, head.rest), (200, b""), path)
            self.assertEqual(head.headers["content-type"], whole.headers["content-type"])
