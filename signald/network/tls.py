"""Speaks TLS for ``--listen ssl:…``: Twisted's words, modern defaults, certificates that are read again on SIGHUP.

Twisted's own endpoint of that name reads its files once, and of a chain in ``certKey`` only the first certificate.
See docs/decisions/0021-tls-endpoint.md.
"""

import re
from typing import Any, Final

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, serverFromString
from twisted.internet.interfaces import IListeningPort, IOpenSSLServerConnectionCreator, IStreamServerEndpoint
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"
"""Ciphers for TLS 1.2: forward secret and authenticated (RFC 9325 4.2). Those of TLS 1.3 all are."""

_RELEASE_BUFFERS: Final = 0x10
"""SSL_MODE_RELEASE_BUFFERS: 34 KiB less for each silent connection (SSL_CTX_set_mode(3))."""


@implementer(IOpenSSLServerConnectionCreator)
class Certificate:
    """Holds a certificate with its key, as they are in their files.

    Args:
        private_key: PEM file.
        chain: PEM file: the certificate, then those that lead from it to a root.

    Raises:
        OpenSSL.SSL.Error: They are broken, or do not belong together.
        OSError: They cannot be read.
    """

    _log = Logger()

    def __init__(self, private_key: str, chain: str) -> None:
        self._private_key = private_key
        self._chain = chain
        self._context = self._read()

    def _read(self) -> SSL.Context:
        for path in (self._private_key, self._chain):
            with open(path, "rb"):  # OpenSSL's errors do not name the file
                pass
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(SSL.TLS1_2_VERSION)
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
        context.set_cipher_list(CIPHERS)
        context.set_mode(_RELEASE_BUFFERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.use_certificate_chain_file(self._chain)
        context.use_privatekey_file(self._private_key)
        context.check_privatekey()
        return context

    def reload(self) -> None:
        """Read the files again, for connections from now on. If they are broken, the old certificate stays."""
        try:
            self._context = self._read()
        except (OSError, SSL.Error) as error:
            self._log.error("{file} was not read again: {why}", file=self._chain, why=explain(error))
        else:
            self._log.info("{file} was read again", file=self._chain)

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """See `IOpenSSLServerConnectionCreator`."""
        return SSL.Connection(self._context, None)


class TLSEndpoint:
    """Speaks TLS on what another endpoint accepts.

    Args:
        inner: Accepts connections.
        certificate: The server's.
    """

    def __init__(self, inner: IStreamServerEndpoint, certificate: Certificate) -> None:
        self._inner = inner
        self._certificate = certificate

    def reload(self) -> None:
        """See `Certificate.reload`."""
        self._certificate.reload()

    def listen(self, factory: Any) -> "Deferred[IListeningPort]":
        """See `IStreamServerEndpoint.listen`."""
        wrapped = TLSMemoryBIOFactory(self._certificate, False, factory)
        wrapped.protocol = TLSMemoryBIOProtocol  # the default one waits a turn for more to write, which we have done
        listening: Deferred[IListeningPort] = self._inner.listen(wrapped)
        return listening


def explain(error: Exception) -> str:
    """Put an error of OpenSSL, which is a list of tuples, into words."""
    if isinstance(error, SSL.Error):
        return "; ".join(str(reason[-1]) for reason in error.args[0]) if error.args else "it is broken"
    return str(error)


def parse(reactor: Any, words: str, on_port: Any) -> TLSEndpoint:
    r"""Read ``ssl:8443:privateKey=key.pem:certKey=chain.pem[:interface=…][:backlog=…]``.

    In place of the port may stand another endpoint, its colons escaped: ``ssl:systemd\:domain=INET6\:name=signald:…``

    Args:
        reactor: Listens.
        words: After ``--listen``.
        on_port: Makes the endpoint for a port on all addresses.

    Raises:
        ValueError: What is wrong with it.
    """
    _, where, *rest = [re.sub(r"\\(.)", r"\1", part) for part in re.split(r"(?<!\\):", words)]
    options = dict(part.partition("=")[::2] for part in rest)
    unknown = options.keys() - {"privateKey", "certKey", "interface", "backlog"}
    if unknown or not options.get("privateKey"):
        what = f"does not know {sorted(unknown)[0]!r}" if unknown else "needs privateKey=FILE"
        raise ValueError(f"ssl: {what}; write ssl:8443:privateKey=key.pem:certKey=chain.pem")
    key = options["privateKey"]
    try:
        certificate = Certificate(key, options.get("certKey") or key)
    except SSL.Error as error:
        raise ValueError(explain(error)) from None
    if not where.isdecimal():
        return TLSEndpoint(serverFromString(reactor, where), certificate)
    if not options.keys() & {"interface", "backlog"}:
        return TLSEndpoint(on_port(reactor, int(where)), certificate)
    backlog = int(options.get("backlog") or 4096)
    return TLSEndpoint(TCP4ServerEndpoint(reactor, int(where), backlog, options.get("interface", "")), certificate)
