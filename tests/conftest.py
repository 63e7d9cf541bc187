"""What every test gets: the loop watched for blocking calls, and the Hypothesis profiles."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import hypothesis
import pytest
from blockbuster import BlockBuster

IN_CI = bool(os.environ.get("CI"))

# A shared machine has slow moments, so an example has no deadline of its own; in CI the examples
# are drawn from a fixed seed, so that a change is never blamed for what it did not do.
hypothesis.settings.register_profile("laptop", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("long", deadline=None, max_examples=20_000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "laptop"))


@pytest.fixture
def anyio_backend() -> str:
    """Run `async def` tests under asyncio, the only loop that Duetto has."""
    return "asyncio"


@pytest.fixture(scope="session")
def watch() -> BlockBuster:
    """What notices a blocking call below a function of Duetto, inside a running loop.

    Files are left out: an embedded store is one short local write by design, and its latency is
    measured in `bench/`.
    """
    blockbuster = BlockBuster("duetto")
    for name in list(blockbuster.functions):
        if name.startswith(("io.", "os.")):
            del blockbuster.functions[name]
    return blockbuster


@pytest.fixture(autouse=True)
def the_loop_is_not_blocked(request: pytest.FixtureRequest, watch: BlockBuster) -> Iterator[None]:
    """Raise where Duetto sleeps, or waits for a socket, a lock or a database, inside the loop."""
    if request.node.get_closest_marker("blocking"):
        yield
        return
    watch.activate()
    yield
    watch.deactivate()


@pytest.fixture(autouse=True)
def logs_are_told() -> Iterator[None]:
    """Fail a test that leaves logging disabled: a later one would find nothing logged."""
    yield
    left, logging.root.manager.disable = logging.root.manager.disable, logging.NOTSET
    assert left == logging.NOTSET, "logging was disabled, and is not enabled again"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a connected test where its server is not named; in CI that is a failure."""
    for marker in item.iter_markers("connected"):
        variable = str(marker.args[0])
        if os.environ.get(variable):
            continue
        reason = f"{variable} does not name a server"
        if IN_CI:
            pytest.fail(f"{reason}, and in CI a connected test must run", pytrace=False)
        pytest.skip(reason)
