"""What `_upgrade.c` offers."""

from collections.abc import Callable

from signald.network.upgrade import Upgrade

def read(otherwise: Callable[[bytes], Upgrade | None], make: type[Upgrade], data: bytes, /) -> Upgrade | None: ...
