"""Every host's answer, a row each, and where a guest fits."""

import pytest

from sev_scheduling import Feasibility, Host, SlotPool, filter_hosts
from sev_scheduling.explain.host_rows import host_rows, where_it_fits
from tests.unit.factories import encrypted

POOL = {'amd-sev': SlotPool(2)}


def test_each_host_has_a_row():
    hosts = [
        Host(name='a', uuid='1', pools=POOL),
        Host(name='b', uuid='2', pools=POOL),
        Host(name='c', uuid='3'),
    ]
    result = filter_hosts(encrypted(), hosts)
    rows = list(host_rows(Feasibility(result, frozenset({'1'}))))

    assert [row[:4] for row in rows] == [
        ('a', True, None, None),
        ('b', False, 'no-candidate', False),
        ('c', False, 'no-pool', True),
    ]
    assert rows[1][4:] == (
        ('no-candidate',),
        'b lacks something else that is asked for (resources, traits, '
        'aggregates).',
        ('Use a flavor that asks for less.', (), None),
    )


@pytest.mark.parametrize(
    ('hosts', 'sentence'),
    [
        pytest.param(0, '', id='none'),
        pytest.param(1, 'It fits on a1 (2 free).', id='one'),
        pytest.param(
            10,
            'It fits on a1 (2 free), a2 (2 free), a3 (2 free), a4 (2 free), '
            'a5 (2 free), a6 (2 free), a7 (2 free), a8 (2 free) and 2 more.',
            id='more than a line has room for',
        ),
    ],
)
def test_the_hosts_that_a_guest_fits_on_are_named(hosts, sentence):
    cloud = [
        Host(name=f'a{n}', uuid=str(n), pools=POOL)
        for n in range(1, hosts + 1)
    ]
    result = filter_hosts(encrypted(), cloud)
    found = Feasibility(result, frozenset(h.uuid for h in cloud))

    assert where_it_fits(found) == sentence
