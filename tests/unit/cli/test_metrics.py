import os
import sys

import pytest

from sev_scheduling import Host, InputError, SlotPool
from sev_scheduling.cli import metrics

POOLS = [
    (Host(name='epyc-01'), 'amd-sev', SlotPool(15, 1, 3)),
    (
        Host(name='epyc-"2"', traits=frozenset({'COMPUTE_STATUS_DISABLED'})),
        'amd-sev-snp',
        SlotPool(64, 0, 64),
    ),
]


def samples(text):
    from prometheus_client.parser import text_string_to_metric_families

    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_gauges_have_the_numbers_of_each_host_and_model(tmp_path):
    path = tmp_path / 'slots.prom'
    metrics.write(str(path), POOLS)

    written = samples(path.read_text())
    assert written.pop(('sev_scheduling_collected_timestamp_seconds',)) > 1e9
    assert written == {
        ('sev_scheduling_host_disabled', 'epyc-01'): 0,
        ('sev_scheduling_host_disabled', 'epyc-"2"'): 1,
        ('sev_scheduling_slots', 'epyc-01', 'amd-sev'): 15,
        ('sev_scheduling_slots_reserved', 'epyc-01', 'amd-sev'): 1,
        ('sev_scheduling_slots_used', 'epyc-01', 'amd-sev'): 3,
        ('sev_scheduling_slots_free', 'epyc-01', 'amd-sev'): 11,
        ('sev_scheduling_slots', 'epyc-"2"', 'amd-sev-snp'): 64,
        ('sev_scheduling_slots_reserved', 'epyc-"2"', 'amd-sev-snp'): 0,
        ('sev_scheduling_slots_used', 'epyc-"2"', 'amd-sev-snp'): 64,
        ('sev_scheduling_slots_free', 'epyc-"2"', 'amd-sev-snp'): 0,
    }


def test_a_text_has_the_same_gauges_as_a_file(tmp_path):
    path = tmp_path / 'slots.prom'
    metrics.write(str(path), POOLS)

    now = ('sev_scheduling_collected_timestamp_seconds',)
    written = samples(path.read_text())
    text = samples(metrics.text(POOLS))
    assert text.pop(now) >= written.pop(now)
    assert text == written


def test_numbers_that_are_not_known_are_left_out(tmp_path):
    path = tmp_path / 'slots.prom'
    pool = SlotPool(2**31 - 1, 0, 3)
    metrics.write(str(path), [(Host(name='old'), 'amd-sev', pool)])

    written = samples(path.read_text())
    written.pop(('sev_scheduling_collected_timestamp_seconds',))
    assert written == {
        ('sev_scheduling_host_disabled', 'old'): 0,
        ('sev_scheduling_slots_reserved', 'old', 'amd-sev'): 0,
        ('sev_scheduling_slots_used', 'old', 'amd-sev'): 3,
    }


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / 'slots.prom'
    path.write_text('stale ' * 10_000)
    metrics.write(str(path), POOLS[:1])

    assert 'stale' not in path.read_text()
    assert [p.name for p in tmp_path.iterdir()] == ['slots.prom']


def test_a_link_stays_a_link(tmp_path):
    path, link = tmp_path / 'slots.prom', tmp_path / 'link'
    link.symlink_to(path)
    metrics.write(str(link), POOLS)

    assert link.is_symlink()
    assert 'epyc-01' in path.read_text()


def test_a_device_is_not_replaced(tmp_path):
    fifo = tmp_path / 'fifo'
    os.mkfifo(fifo)

    with pytest.raises(InputError, match='no regular file'):
        metrics.write(str(fifo), POOLS)
    assert fifo.is_fifo()


@pytest.mark.parametrize(
    ('name', 'why'),
    [
        pytest.param('no/such/slots.prom', 'No such file', id='no folder'),
        pytest.param('', 'no regular file', id='a folder'),
    ],
)
def test_a_file_that_cannot_be_written_is_named(tmp_path, name, why):
    folder = tmp_path / 'folder'
    folder.mkdir()
    path = str(folder / name)

    with pytest.raises(InputError, match=why) as caught:
        metrics.write(path, POOLS)
    assert path in str(caught.value)
    assert list(tmp_path.rglob('*')) == [folder]


def test_without_prometheus_client_one_line_says_what_to_install(
    monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, 'prometheus_client', None)

    with pytest.raises(InputError, match=r'sev-scheduling\[metrics\]'):
        metrics.write(str(tmp_path / 'slots.prom'), POOLS)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def shown(snapshot):
    """Return what is served, without times of day."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(snapshot)
    found = samples(generate_latest(registry).decode())
    return {key: value for key, value in found.items() if value < 1e6}


UP = ('sev_scheduling_placement_up',)
FAILURES = ('sev_scheduling_placement_failures_total',)
FREE = ('sev_scheduling_slots_free', 'epyc-01', 'amd-sev')
COLLECTED = (metrics.COLLECTED,)


def test_before_the_first_answer_nothing_is_known():
    assert shown(metrics.Snapshot(60)) == {UP: 0, FAILURES: 0}


def test_an_answer_is_shown_as_a_file_has_it(tmp_path):
    snapshot = metrics.Snapshot(60)
    snapshot.answered(POOLS)
    path = tmp_path / 'slots.prom'
    metrics.write(str(path), POOLS)

    written = samples(path.read_text())
    assert written.pop(COLLECTED) > 1e9
    assert shown(snapshot) == {UP: 1, FAILURES: 0, **written}


def test_numbers_go_with_the_question_that_was_not_answered():
    snapshot = metrics.Snapshot(60)
    snapshot.answered(POOLS)
    snapshot.failed()

    assert shown(snapshot) == {UP: 0, FAILURES: 1}
    # When they were last counted stays.
    assert metrics.COLLECTED in [m.name for m in snapshot.collect()]
    snapshot.answered(POOLS)
    assert shown(snapshot)[FREE] == 11


@pytest.mark.parametrize(('age', 'fresh'), [(60, True), (60.1, False)])
def test_numbers_go_once_they_are_old(age, fresh):
    clock = Clock()
    snapshot = metrics.Snapshot(60, clock)
    snapshot.answered(POOLS)
    clock.now = age

    assert (shown(snapshot)[UP], FREE in shown(snapshot)) == (fresh, fresh)
