"""What instances know of their pools, put together."""

from signald.clients.pools import together
from signald.clients.questions import PoolFacts, PoolList


def test_pools_of_several_instances() -> None:
    """An operator sees a pool twice, or the wait of the instance that happened to answer first."""
    one = PoolList(2, [PoolFacts("chess", 4, 1, 2.0), PoolFacts("", 2, 0, 0.0)])
    other = PoolList(2, [PoolFacts("go", 2, 2, 60.5), PoolFacts("chess", 3, 3, 1.5)])
    assert together([one, other]) == [
        PoolFacts("chess", 7, 4, 2.0),
        PoolFacts("go", 2, 2, 60.5),
        PoolFacts("", 2, 0, 0.0),
    ]
    assert together([]) == []
