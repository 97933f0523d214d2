"""Asks before a service is loaded that does not run on this machine."""

import select
import signal
import socket
from typing import TextIO

from signald.load.target import Target


class NoConsent(Exception):
    """Nobody has said yes."""


def ask(target: Target, plan: str, *, yes: bool, answers: TextIO, questions: TextIO) -> None:
    """Let the operator type the host, unless the service is local or it has said yes already.

    Args:
        target: The service.
        plan: What will be done to it, in words.
        yes: Whether `--yes` was given.
        answers: Where it types, if that is a terminal.
        questions: Where it reads.

    Raises:
        NoConsent: It has typed something else, or there is nobody to ask.
    """
    if yes or target.is_local:
        return
    if not answers.isatty():
        raise NoConsent(f"{target.host} is another machine, and there is no terminal to ask at: --yes if it is yours")
    questions.write(f"{plan} on {target.host}. That may be an attack if it is not yours.\nType its name to go on: ")
    questions.flush()
    if _line(answers).strip() != target.host:
        raise NoConsent("that is not its name: nothing was done")


def _line(answers: TextIO) -> str:
    """What is typed on a terminal.

    A Ctrl-C that comes in the moment before a read begins would be heard when it ends. So a line is waited for together
    with the bytes that Python writes for each signal (`signal.set_wakeup_fd`).
    """
    woken, wakes = socket.socketpair()
    with woken, wakes:
        wakes.setblocking(False)
        before = signal.set_wakeup_fd(wakes.fileno())
        try:
            select.select([answers.fileno(), woken.fileno()], [], [])
        finally:
            signal.set_wakeup_fd(before)
    return answers.readline()
