import pytest


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The clock by which conflicts are waited for."""
    clock = Clock()
    monkeypatch.setattr('tenacity.time', clock)
    monkeypatch.setattr('tenacity.nap.time', clock)
    return clock
