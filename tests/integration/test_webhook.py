"""Events on their way to a real endpoint, over HTTP and over TLS."""

import base64
import hashlib
import hmac
import random
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.defer import Deferred, DeferredQueue
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import Certificate, DefaultOpenSSLContextFactory, trustRootFromCertificates
from twisted.internet.task import Clock
from twisted.internet.testing import waitUntilAllDisconnected
from twisted.logger import capturedLogs, formatEvent
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import TestCase
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from signald.moderation import webhook
from signald.moderation.webhook import ATTEMPT_WITHIN_S, LOOK_S, Post, Webhook
from tests.support.ports import free_port
from tests.support.redis import make_certificates
from tests.support.waiting import PATIENCE_S

SECRET = b"a secret of two that trust each other"


class Endpoint(Resource):
    """Keeps the requests in a queue for the test, which answers them."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: DeferredQueue[Request] = DeferredQueue()

    def render_POST(self, request: Request) -> int:
        self.requests.put(request)
        return NOT_DONE_YET

    def render_GET(self, request: Request) -> int:
        return self.render_POST(request)


def answer(request: Any, status: int, body: bytes = b"thanks", location: str = "") -> None:
    request.setResponseCode(status)
    if location:
        request.setHeader("location", location)
    request.write(body)
    request.finish()


def read(request: Any) -> bytes:
    """The body of a request that bears a good signature, reckoned after the specification; fails if it does not."""
    body: bytes = request.content.read()
    id, timestamp, signature = (
        request.getHeader(name) for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
    )
    version, _, code = signature.partition(",")
    key = hmac.new(SECRET, id.encode() + b"." + timestamp.encode() + b"." + body, hashlib.sha256)
    assert (version, base64.b64decode(code, validate=True)) == ("v1", key.digest())
    assert abs(int(timestamp) - time.time()) < 60
    assert "." not in id
    assert request.getHeader("content-type") == "application/json"
    return body


def send(post: Post, body: bytes, headers: Mapping[str, str]) -> "Deferred[int]":
    async def sending() -> int:
        return await post(body, headers)

    return Deferred.fromCoroutine(sending())


class Delivery(TestCase):
    """Everything is real but, where a test says so, the clock of the webhook."""

    timeout = 2 * PATIENCE_S

    def setUp(self) -> None:
        from twisted.internet import reactor  # noqa: TID251

        self.reactor: Any = reactor
        self.endpoint = Endpoint()
        self.outcomes: DeferredQueue[int | Exception] = DeferredQueue()

    def listen(self, certificates: Path | None = None, server: "Factory[Any] | None" = None) -> int:
        """The port of a server, the endpoint's if no other is given; with TLS, if there are certificates."""
        factory = WrappingFactory(server or Site(self.endpoint))
        if certificates is None:
            port = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        else:
            context = DefaultOpenSSLContextFactory(certificates / "server.key", certificates / "server.pem")
            port = self.reactor.listenSSL(0, factory, context, interface="127.0.0.1")
        self.addCleanup(self.all_closed, factory)
        self.addCleanup(port.stopListening)
        number: int = port.getHost().port
        return number

    def certificates(self, name: str = "localhost") -> Path:
        """A folder of them, outside of the tree: it holds keys."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return make_certificates(Path(folder.name), name)

    async def all_closed(self, factory: WrappingFactory) -> None:
        """Fails, by the time limit, if the webhook leaves a connection open."""
        protocols: list[ProtocolWrapper] = list(factory.protocols)
        await waitUntilAllDisconnected(self.reactor, protocols)

    def told(self, post: Post) -> Post:
        """Says in `outcomes` what came of each request."""

        async def telling(body: bytes, headers: Mapping[str, str]) -> int:
            try:
                status = await post(body, headers)
            except Exception as error:
                self.reactor.callLater(0, self.outcomes.put, error)
                raise
            self.reactor.callLater(0, self.outcomes.put, status)  # when the webhook knows, too
            return status

        return telling

    def webhook(self, url: str, clock: Any = None, jitter: Callable[[], float] = random.random) -> Webhook:
        post = self.told(webhook.from_url(url, self.reactor))
        made = Webhook(
            post,
            where="127.0.0.1",
            secret=SECRET,
            new_id=lambda: secrets.token_urlsafe(12),
            unix_time=time.time,
            clock=clock or self.reactor,
            jitter=jitter,
        )
        made.startService()
        self.addCleanup(made.stopService)
        return made

    async def test_over_http(self) -> None:
        """No report of a client ever reaches who could do something about it."""
        made = self.webhook(f"http://127.0.0.1:{self.listen()}/hooks/a?key=b&c")
        events = [b'{"type":"report","number":%d,"text":"\xc3\xa4.\\n"}' % number for number in range(10)]
        for event in events:
            made.deliver(event)
        ids, got = set(), []
        for _ in events:
            request: Any = await self.endpoint.requests.get()
            self.assertEqual((request.method, request.uri), (b"POST", b"/hooks/a?key=b&c"))
            self.assertEqual(len(request.requestHeaders.getRawHeaders("content-length")), 1)
            got.append(read(request))
            ids.add(request.getHeader("webhook-id"))
            answer(request, 200)
        await made.stopService()
        self.assertEqual(sorted(got), sorted(events))
        self.assertEqual(len(ids), 10)
        self.assertEqual((made.delivered, made.failed, made.lost, len(made)), (10, 0, 0, 0))

    async def test_an_error_then_none(self) -> None:
        """A report that comes while the endpoint restarts is lost."""
        made = self.webhook(f"http://127.0.0.1:{self.listen()}/", jitter=lambda: 1.0)
        made.deliver(b"{}")
        first: Any = await self.endpoint.requests.get()
        self.assertEqual(read(first), b"{}")
        answer(first, 500)
        second: Any = await self.endpoint.requests.get()
        self.assertEqual(read(second), b"{}")
        self.assertEqual(first.getHeader("webhook-id"), second.getHeader("webhook-id"))
        answer(second, 202)
        self.assertEqual([await self.outcomes.get(), await self.outcomes.get()], [500, 202])
        self.assertEqual((made.delivered, made.failed, len(made)), (1, 1, 0))

    async def test_no_answer(self) -> None:
        """Each report to an endpoint that hangs leaves a connection open."""
        clock = Clock()
        made = self.webhook(f"http://127.0.0.1:{self.listen()}/", clock)
        made.deliver(b"{}")
        request = await self.endpoint.requests.get()
        gone = request.notifyFinish()
        clock.pump([LOOK_S] * round(ATTEMPT_WITHIN_S / LOOK_S))
        self.assertEqual((made.failed, len(made)), (1, 1))
        await self.failed(gone)

    async def test_nobody_there(self) -> None:
        """The log does not say why no report arrives; or it shows what in the URL is secret."""
        clock = Clock()
        with capturedLogs() as events:
            made = self.webhook(f"http://127.0.0.1:{free_port()}/hidden?key=hidden", clock)
            made.deliver(b'{"text":"hidden"}')
            self.assertIsInstance(await self.outcomes.get(), ConnectionRefusedError)
            await made.stopService()
        log = "\n".join(str(formatEvent(event)) for event in events)
        self.assertIn("127.0.0.1 takes no events (Connection was refused", log)
        self.assertIn("1 events for 127.0.0.1 are lost", log)
        self.assertNotIn("hidden", log)

    async def test_a_redirect(self) -> None:
        """Reports go to wherever the endpoint points."""
        url = f"http://127.0.0.1:{self.listen()}"
        post = webhook.from_url(f"{url}/first", self.reactor)
        for status in (301, 303, 307, 308):
            posted = send(post, b"{}", {})
            request: Any = await self.endpoint.requests.get()
            self.assertEqual(request.uri, b"/first")
            answer(request, status, location=f"{url}/second")
            self.assertEqual(await posted, status)

    async def test_a_body_without_end(self) -> None:
        """An endpoint's answer fills the memory, or its connection stays open for ever."""
        folder = self.certificates()
        urls = f"http://127.0.0.1:{self.listen()}/", f"https://localhost:{self.listen(folder)}/"
        for url in urls:
            post = webhook.from_url(url, self.reactor, authority(folder))
            posted = send(post, b"{}", {})
            request: Any = await self.endpoint.requests.get()
            gone = request.notifyFinish()
            request.registerProducer(Endless(request), streaming=False)
            self.assertEqual(await posted, 200)
            await self.failed(gone)

    async def test_headers_without_end(self) -> None:
        """An endpoint's headers fill the memory: the body is not read, but they are."""
        folder, server = self.certificates(), Factory.forProtocol(EndlessHeaders)
        for url in (
            f"http://127.0.0.1:{self.listen(server=server)}/",
            f"https://localhost:{self.listen(folder, server)}/",
        ):
            post = webhook.from_url(url, self.reactor, authority(folder))
            self.assertIn(f"more than {webhook.MAX_ANSWER_BYTES} bytes", await self.failed(send(post, b"{}", {})))

    async def test_over_tls(self) -> None:
        """Whoever stands between this server and the endpoint reads the reports, and answers in its place."""
        folder = self.certificates()
        port = self.listen(folder)
        elsewhere = self.certificates("elsewhere.example")
        other_port = self.listen(elsewhere)
        for where, trust, why in (
            (port, None, "certificate verify failed"),
            (port, authority(elsewhere), "certificate verify failed"),
            (other_port, authority(elsewhere), "DNSMismatch"),
        ):
            post = webhook.from_url(f"https://localhost:{where}/", self.reactor, trust)
            self.assertIn(why, await self.failed(send(post, b"a secret", {})))
        post = webhook.from_url(f"https://localhost:{port}/", self.reactor, authority(folder))
        headers = webhook.signed(SECRET, "id", int(time.time()), b"{}") | {"content-type": "application/json"}
        posted = send(post, b"{}", headers)
        request: Any = await self.endpoint.requests.get()
        self.assertTrue(request.isSecure())
        self.assertEqual(read(request), b"{}", "the first that arrived")
        answer(request, 200)
        self.assertEqual(await posted, 200)

    async def failed(self, deferred: "Deferred[Any]") -> str:
        """What a failure says; waits for it."""
        said: str = await deferred.addCallbacks(lambda result: self.fail(result), lambda failure: str(failure.value))
        return said


def authority(folder: Path) -> Any:
    return trustRootFromCertificates([Certificate.loadPEM((folder / "ca.pem").read_bytes())])


class Endless:
    """Produces a body for as long as somebody takes it."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    def resumeProducing(self) -> None:
        self._consumer.write(b"x" * 65536)

    def stopProducing(self) -> None:
        """Nothing: the consumer forgets it."""


class EndlessHeaders(Protocol):
    """Answers with headers for as long as somebody takes them."""

    transport: Any
    _answers = False

    def dataReceived(self, data: bytes) -> None:
        if not self._answers:
            self._answers = True
            self.transport.write(b"HTTP/1.1 200 OK\r\n")
            self.transport.registerProducer(self, streaming=False)

    def resumeProducing(self) -> None:
        """Send more of them."""
        self.transport.write(b"X-More: " + b"x" * 8000 + b"\r\n")

    def stopProducing(self) -> None:
        """Nothing: the transport forgets it."""
