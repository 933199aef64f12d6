"""The benchmarks of the client run, on a cloud of a few hosts."""

from __future__ import annotations

import pytest

from benchmarks import decoding
from benchmarks import placement as benchmark
from tests.e2e.requests import hosts
from tests.servers.placement import PlacementServer

SMALL = ['--hosts', '10', '--claims', '3', '--single', '2', '--repeat', '2']


def rows(output: str) -> list[list[str]]:
    return [line.split() for line in output.splitlines()[3:-1]]


@pytest.mark.parametrize('place', ['embedded', 'sqlite'])
def test_every_operation_is_measured(place, capsys):
    assert benchmark.main([*SMALL, '--on', place]) == 0
    found = rows(capsys.readouterr().out)
    names = list(benchmark.operations(3, 2))
    assert [' '.join(cells[2:-3]) for cells in found] == names
    for cells in found:
        assert cells[:2] == [place, '10']
        seconds, calls, ours = cells[-3:]
        assert float(seconds) > 0
        assert int(calls) > 0
        assert 0 < float(ours.rstrip('%')) < 10_000


def test_the_share_is_of_the_time_outside_of_placement(
    placement_on_sqlite: PlacementServer,
):
    placement_on_sqlite.load(hosts(10, 15))
    results = benchmark.measure(
        placement_on_sqlite.adapter(),
        'sqlite',
        10,
        claims=1,
        single=1,
        repeat=1,
    )
    for result in results:
        # What is not ours is Placement's.
        placements = result.seconds / (1 + result.ours)
        assert 0 < placements < result.seconds


@pytest.mark.parametrize('number', ['0', '-1', 'many'])
def test_no_hosts_are_bad_usage(number, capsys):
    with pytest.raises(SystemExit) as caught:
        benchmark.main(['--hosts', number])
    assert caught.value.code == 2
    assert 'is not 1 or more' in capsys.readouterr().err


def test_decoding_is_measured(capsys):
    assert decoding.main(['--hosts', '3', '--repeat', '1']) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
