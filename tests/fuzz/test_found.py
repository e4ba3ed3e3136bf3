"""Every input that once raised or took too long, and the seeds of the fuzzers, are read."""

import pytest

from tests.fuzz.findings import kept
from tests.fuzz.growth import made
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_once_and_the_seeds_are_read(name: str) -> None:
    target = TARGETS[name]
    for data in (*target.seeds, *(path.read_bytes() for path in kept(name))):
        target.read(data)


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_repetitions_of_every_pattern_are_read(name: str) -> None:
    target = TARGETS[name]
    for pattern in target.patterns:
        target.read(made(pattern, 300))
