from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kithd import Kithd


@pytest.fixture
def make_kithd(tmp_path: Path) -> Iterator[Callable[..., Kithd]]:
    """Starts servers; whatever still runs at the end of the test is ended."""
    made: list[Kithd] = []

    def make(*flags: str, env: dict[str, str] | None = None, wrapper: list[str] | None = None,
             data: Path | None = None) -> Kithd:
        server = Kithd(data or tmp_path / f"data{len(made)}", *flags, env=env, wrapper=wrapper)
        made.append(server)
        return server.start()

    yield make
    for server in made:
        server.close()


@pytest.fixture
def kithd(make_kithd: Callable[..., Kithd]) -> Kithd:
    return make_kithd()
