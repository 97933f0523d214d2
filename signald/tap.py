"""Gives twistd what it looks for: the options and the service of ``twistd signald``."""

from typing import Any

from twisted.application.service import IService

from signald import __version__
from signald.network.names import Names
from signald.process.clock import measure_steadily
from signald.process.garbage import LongLived
from signald.settings import options as general
from signald.settings.setting import SettingsError
from signald.websocket import frames
from signald.wiring.process import make_process

__all__ = ["Options", "makeService"]


class TwistdOptions(general.Options):
    """The options of ``twistd signald``, and what was built here."""

    def opt_version(self) -> None:
        """Show signald's version and exit."""
        built = frames.choose(native=True).language
        print(f"signald {__version__} (frames: {built})")  # noqa: T201 - asked for
        raise SystemExit(0)


Options = TwistdOptions


def makeService(options: Options) -> IService:
    """What twistd runs."""
    from twisted.internet import reactor  # noqa: TID251 - here alone: whoever chose a reactor has done so by now

    measure_steadily(reactor)
    Names(reactor).install()
    chosen = options.settings
    twistd: Any = options.parent or {}
    if options["check"]:
        stay_in_front(twistd)
    try:
        service = make_process(chosen, reactor, check=options["check"], words=options.words, twistd=twistd)
    except SettingsError as error:
        raise SystemExit(f"signald: {error}") from None
    service.heed_signals()
    reactor.callWhenRunning(LongLived().start)
    logging = chosen.logging
    level = "debug" if logging.debug else logging.log_level
    service.choose_log(twistd, level=level, look=logging.log_format, instance=chosen.process.instance_id)
    return service


def stay_in_front(twistd: Any) -> None:
    """Let twistd keep its terminal although nobody said ``-n``: whoever asks for a check wants to read the answer.

    Args:
        twistd: Its options, which it looks at when it has a service.
    """
    twistd["nodaemon"], twistd["pidfile"] = True, ""
