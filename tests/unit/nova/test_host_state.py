"""What aggregates and options say of a host."""

from __future__ import annotations

import logging

import pytest

from sev_scheduling.nova.host_state import AggregateFacts
from sev_scheduling.nova.options import Options
from sev_scheduling.nova.warning_log import Warnings
from tests.unit.nova.factories import CONF, ES, SEV, aggregate

TYPE = 'sev_scheduling:hw_machine_type'
LIMIT = 'sev_scheduling:max_guests'


def facts():
    return AggregateFacts(Options.read(CONF), Warnings())


def messages(caplog):
    found = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return found


def test_what_cannot_be_used_is_named_once(caplog, configured):
    configured(default_machine_type=['='])
    odd = aggregate('g\nold', **{TYPE: 'a=b=c', LIMIT: 'few'})
    with caplog.at_level(logging.WARNING):
        warnings = Warnings()
        for _ in range(3):
            found = AggregateFacts(Options.read(CONF), warnings)
            assert found.machine_types((odd,)) == {}
            assert found.max_guests((odd,), SEV) is None
    assert messages(caplog) == [
        "[sev_scheduling] default_machine_type: '=' is not of the form "
        'x86_64=q35 or q35.',
        r'Metadata sev_scheduling:hw_machine_type of aggregate g\nold is not '
        "used: 'a=b=c' is not of the form x86_64=q35 or q35.",
        r'Metadata sev_scheduling:max_guests of aggregate g\nold is not '
        "used: 'few' is not a whole number.",
    ]


def test_a_disagreement_names_both_aggregates_and_values(caplog):
    with caplog.at_level(logging.WARNING):
        told = facts().machine_types(
            (
                aggregate('a', **{TYPE: 'q35,aarch64=virt'}),
                aggregate('b', **{TYPE: 'pc'}),
            )
        )
    assert told == {'aarch64': 'virt'}
    assert messages(caplog) == [
        'Metadata sev_scheduling:hw_machine_type of aggregate b is not used: '
        "aggregate a, which has hosts in common with it, says 'q35'."
    ]


@pytest.mark.parametrize(
    ('machine_types', 'found'),
    [
        (('q35', 'pc-q35-8.2'), 'q35'),
        (('pc-i440fx-8.2', 'pc'), 'pc'),
        (('pc-q35-8.2', 'pc-q35-9.0'), 'pc-q35-8.2'),
    ],
)
def test_versions_of_one_machine_type_are_no_disagreement(
    caplog, machine_types, found
):
    gold = [
        aggregate(f'gold-{number}', **{TYPE: name})
        for number, name in enumerate(machine_types)
    ]
    with caplog.at_level(logging.WARNING):
        assert facts().machine_types((*gold,)) == {'x86_64': found}
    assert not messages(caplog)


@pytest.mark.parametrize(
    ('text', 'limit'),
    [
        *[('0', 0), ('1', 1), ('15', 15), (' 15 ', 15)],
        *[('-1', None), ('1.5', None), ('', None), ('x', None)],
        *[('9' * 5000, None), ('٣', None)],
    ],
)
def test_a_limit_is_a_whole_number(text, limit):
    assert facts().max_guests((aggregate(**{LIMIT: text}),), SEV) == limit


def test_limits_of_the_options(configured):
    assert facts().max_guests((), SEV) is None
    configured(max_guests_per_model={SEV: 15})
    assert facts().max_guests((), SEV) == 15
    assert facts().max_guests((), ES) is None
    configured(max_guests=0)
    assert facts().max_guests((), ES) == 0


def test_an_aggregate_is_read_once_however_many_hosts_it_has():
    read = []

    class Counting:
        name = 'gold'

        @property
        def metadata(self):
            read.append(1)
            return {'ssd': 'true', LIMIT: '3'}

    gold = Counting()
    found = facts()
    for _ in range(9):
        assert found.max_guests((gold,), SEV) == 3
        assert found.machine_types((gold,)) == {}
    assert len(read) == 1


def test_an_aggregate_without_our_keys_does_not_concern_hosts():
    plain, gold = aggregate('plain', ssd='1'), aggregate(**{LIMIT: '3'})
    assert not facts().concern([plain])
    assert facts().concern([plain, gold])
