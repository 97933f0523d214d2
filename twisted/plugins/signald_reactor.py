"""Names a reactor for twistd: ``twistd --reactor=uvloop signald``. Nothing is imported until it is chosen."""

from twisted.application.reactors import Reactor

uvloop = Reactor("uvloop", "signald.uvloop_reactor", "asyncio on uvloop: needs signald[speed]")
