"""Everything that the documentation's commands need to be run."""

from collections.abc import Iterator

import pytest

from tests.docs.desk import Desk


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A reader's desk."""
    with Desk(tmp_path_factory.mktemp("desk")) as desk:
        yield desk
