"""Decides what this process is: a check of the settings, a worker, the parent of workers, or all in one."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from signald.check import SettingsCheck, store_probe
from signald.process.notify import Notify
from signald.process.root import ProcessService
from signald.process.workers import WORKER_VARIABLE, SharingReactor, Workers, end_with_parent, tell_parent
from signald.settings.settings import Settings, describe
from signald.wiring.daemon import make_daemon


def make_process(
    chosen: Settings, reactor: Any, *, check: bool, words: Sequence[str], twistd: Mapping[str, Any]
) -> ProcessService:
    """Make what this process is: a check of the settings, a worker, the parent of workers, or all in one.

    Args:
        chosen: The settings.
        reactor: The reactor.
        check: Whether only to look at the settings.
        words: The command line after ``signald``.
        twistd: The options of twistd itself.

    Raises:
        SettingsError: See `make_daemon`.
    """
    if check:
        make_daemon(chosen, reactor)
        return SettingsCheck(reactor, describe(chosen), store_probe(chosen.store, reactor))
    if os.environ.get(WORKER_VARIABLE):
        daemon = make_daemon(chosen, SharingReactor(reactor))
        reactor.callWhenRunning(end_with_parent)
        tell_parent(reactor, daemon)
        return daemon
    daemon = make_daemon(chosen, reactor)
    if chosen.process.workers == 1:
        return daemon
    # That one is thrown away. What is wrong was said here, once, and not by workers that are started over and over.
    chosen_reactor = twistd.get("reactor")
    all_words = [*([f"--reactor={chosen_reactor}"] if chosen_reactor else []), "signald", *words]
    workers = Workers(
        reactor,
        count=chosen.process.workers,
        words=all_words,
        instance=chosen.process.instance_id,
        environment=os.environ,
        drain_s=chosen.process.drain_seconds,
    )
    status = f"{chosen.process.workers} workers"
    Notify(reactor, os.environ, lambda: status, ready=workers.all_listen, alive=workers.all_answer).setServiceParent(
        workers
    )
    return workers
