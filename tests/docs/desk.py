"""Where the documentation's commands are run: a store, a daemon, and the files that they name."""

import json
import os
import re
import shlex
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, chdir
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self
from unittest import mock

from twisted.internet.testing import MemoryReactorClock

from signald.settings.options import Options
from signald.settings.setting import SettingsError
from signald.wiring.daemon import make_daemon
from tests.docs.page import ROOT
from tests.ops.test_tls import Authority
from tests.support.client import Client
from tests.support.daemon import TWISTD, DaemonProcess, environment
from tests.support.operator import TOKEN
from tests.support.redis import RedisServer
from tests.support.service import meet
from tests.support.tokens import SECRET
from tests.support.waiting import PATIENCE_S

PASSWORD = "password"
"""Of the store, in all examples."""


class Desk:
    """What a reader has who tries the commands.

    Args:
        folder: For files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @cached_property
    def store(self) -> RedisServer:
        """A store with the password of the examples."""
        return self._stack.enter_context(RedisServer(self.folder, password=PASSWORD))

    @cached_property
    def daemon(self) -> DaemonProcess:
        """A daemon with everything turned on; its second port is the operator's."""
        variables = {
            "LISTEN": "tcp:0:interface=127.0.0.1",
            "ADMIN_LISTEN": "tcp:0:interface=127.0.0.1",
            "ADMIN_TOKEN": TOKEN,
            "AUTH_MODE": "optional",
            "HEARTBEAT_SECONDS": "3600",  # the client says nothing while other commands are tried
            "JWT_SECRET": SECRET,
            "REDIS_URL": self.store.url,
            "REPORT_WEBHOOK_URL": "http://127.0.0.1:1/",
            "REPORT_WEBHOOK_SECRET": "a secret for tests",
        }
        daemon = self._stack.enter_context(DaemonProcess(variables=variables, ready=2))
        daemon.wait_for("letter connection to ")
        return daemon

    @cached_property
    def client(self) -> Client:
        """A client of the daemon."""
        return self._stack.enter_context(Client(self.daemon.port))

    @cached_property
    def report(self) -> str:
        """The id of a report that somebody has made of its partner."""
        first, second = (Client(self.daemon.port, protocols=["signald.v1"]) for _ in range(2))
        with first, second:
            meet(first, second)
            first.send("report", reason="spam")
            return str(first.expect("reported")["reportId"])

    @cached_property
    def certificates(self) -> Path:
        """A folder with ``privkey.pem`` and ``fullchain.pem``."""
        authority = self.folder / "authority"
        authority.mkdir()
        key, chain = Authority(authority).issue("localhost", "localhost")
        for file, name in ((key, "privkey.pem"), (key, "key.pem"), (chain, "fullchain.pem"), (chain, "chain.pem")):
            (self.folder / name).write_bytes(file.read_bytes())
        return self.folder

    def fill_in(self, text: str) -> str:
        """An example with this desk's names in place of the invented ones."""
        text = text.replace("store.example:6379", f"127.0.0.1:{self.store.port}")
        text = text.replace("signald:password@host", f":{PASSWORD}@127.0.0.1:{self.store.port}")
        text = text.replace("redis://localhost:6379", f"redis://:{PASSWORD}@127.0.0.1:{self.store.port}")
        return re.sub(r"(?<==)/etc/signald/tls/(?=\w+\.pem)", f"{self.certificates}/", text)

    def read(self, words: Sequence[str], variables: Mapping[str, str]) -> None:
        """Let signald take its options and environment, and wire a daemon of them, all in this process.

        Args:
            words: What stands behind ``twistd signald``.
            variables: The environment.
        """
        _ = self.certificates
        options = Options()
        filled = {name: self.fill_in(value) for name, value in variables.items()}
        with chdir(self.folder), mock.patch.dict(os.environ, filled):
            try:
                options.parseOptions([self.fill_in(word) for word in words])
                make_daemon(options.settings, MemoryReactorClock())
            except (SystemExit, SettingsError) as refusal:
                raise AssertionError(str(refusal)) from None

    def start(self, words: Sequence[str], variables: Mapping[str, str]) -> None:
        """Run ``twistd`` with these words, and ``--check`` if it would serve; it must succeed.

        A socket that systemd would pass is passed.
        """
        words = [self.fill_in(word) for word in words]
        if "signald" in words and not {"--check", "--version", "--help"} & {*words}:
            words = [*words, "--check"]
        _ = self.certificates
        filled = {name: self.fill_in(value) for name, value in variables.items()}
        passed = {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "signald"}
        # sd_listen_fds(3) wants the receiver's own pid; the socket is the third file.
        command = ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@" 3<&0', "sh", str(TWISTD), *words]
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
            done = subprocess.run(
                command,
                env=environment(**passed, **filled),
                cwd=self.folder,
                stdin=listener.fileno(),
                capture_output=True,
                text=True,
                timeout=PATIENCE_S,
            )
        assert done.returncode == 0, f"{variables} {shlex.join(words)}\n{done.stdout}{done.stderr}"

    def shell(self, script: str) -> list[int]:
        """Run a script whose ``curl`` asks this desk's daemon; gives the status of each answer."""
        shim = self.folder / "bin" / "curl"
        shim.parent.mkdir(exist_ok=True)
        shim.write_text('#!/bin/sh\nPATH=${PATH#*:} exec curl -o /dev/null -w "%{http_code}\\n" "$@"\n')
        shim.chmod(0o755)
        ports = {"9101": self.daemon.ports[1], "8080": self.daemon.port}
        script = re.sub(r"(?<=localhost:)\d+", lambda port: str(ports[port[0]]), script)
        script = script.replace("W_UjnOkk-AkNIRGy", self.client.id).replace("k3Jd0-aPzQ1xWb7s", self.report)
        variables = environment(ADMIN_TOKEN=TOKEN) | {"PATH": f"{shim.parent}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["/bin/sh", "-e", "-c", script], env=variables, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.split()]
