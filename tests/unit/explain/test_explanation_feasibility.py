"""What the hosts and Placement say together."""

import dataclasses

import pytest

from sev_scheduling import (
    Cause,
    Constraint,
    Diagnosis,
    Feasibility,
    Host,
    SlotPool,
    explain,
    filter_hosts,
)
from sev_scheduling.explain.explanation import host_rows
from tests.unit.factories import encrypted

POOL = {'amd-sev': SlotPool(15)}
HOSTS = [
    Host(name='a', uuid='1', pools=POOL),
    Host(name='b', uuid='2', pools=POOL),
    Host(name='c', uuid='3'),
]
RESULT = filter_hosts(encrypted(), HOSTS)
SHORT = Diagnosis(
    request=encrypted(),
    cause=Cause.TRAIT,
    constraints=(Constraint(Cause.TRAIT, 'CUSTOM_GOLD'),),
    hosts_with_free_slot=2,
    hosts_but_for=2,
)


@pytest.mark.parametrize(
    ('offered', 'diagnosis', 'reasons', 'tenant'),
    [
        pytest.param(
            {'1', '2'}, None, [('no-pool', 1)],
            'This amd-sev guest can be placed.', id='all that fit are offered',
        ),
        pytest.param(
            {'1'}, None, [('no-pool', 1), ('no-candidate', 1)],
            'This amd-sev guest can be placed.', id='one is not offered',
        ),
        pytest.param(
            {}, SHORT, [('no-candidate', 2), ('no-pool', 1), ('trait', 0)],
            'No host can run this amd-sev guest:\n'
            '- No host with a free amd-sev slot meets the traits asked for: '
            'CUSTOM_GOLD. Remove or change what asks for them in the flavor '
            'or the image.', id='none, for a known cause',
        ),
        pytest.param(
            {}, dataclasses.replace(SHORT, cause=Cause.NONE),
            [('no-candidate', 2), ('no-pool', 1)],
            'No host can run this amd-sev guest:\n'
            '- Hosts that could run it are too small or too full, or lack '
            'something else that is asked for. Use a flavor that asks for '
            'less.', id='none, for a cause that is gone',
        ),
    ],
)  # fmt: skip
def test_every_host_counts_once_and_what_placement_lacks_comes_last(
    offered, diagnosis, reasons, tenant
):
    found = Feasibility(RESULT, frozenset(offered), diagnosis)
    explanation = explain(found)

    assert [(str(r.code), r.hosts) for r in explanation.reasons] == reasons
    assert explanation.tenant() == tenant
    assert explanation.headline == (
        f'{len(offered)} of 3 hosts can run this amd-sev guest:'
    )
    assert len(found.fit) + len(found.unavailable) == 2


def test_a_cause_whose_hosts_are_counted_already_names_their_number():
    explanation = explain(Feasibility(RESULT, frozenset(), SHORT))

    assert explanation.reasons[-1].text == (
        '2 of 2 hosts with a free amd-sev slot would do but for the traits '
        'asked for: CUSTOM_GOLD'
    )


def test_each_host_has_a_row():
    rows = list(host_rows(Feasibility(RESULT, frozenset({'1'}))))

    assert [(v.host.name, *facts) for v, *facts, _, _ in rows] == [
        ('a', None, False),
        ('b', 'no-candidate', False),
        ('c', 'no-pool', True),
    ]
    assert rows[1][3:] == (
        'b lacks something else that is asked for (resources, traits, '
        'aggregates).',
        'Use a flavor that asks for less.',
    )
