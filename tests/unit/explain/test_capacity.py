"""What is said of the guests that still fit."""

import dataclasses

import pytest

from sev_scheduling.explain.capacity import amounts, in_all, why_no_more
from sev_scheduling.hosts.capacity import Capacity, HostCapacity
from sev_scheduling.hosts.host import Host
from sev_scheduling.hosts.verdict import Verdict, VerdictCode
from sev_scheduling.models import registered_models
from tests.unit.factories import encrypted

SLOT = 'MEM_ENCRYPTION_CONTEXT'
REQUEST = encrypted(properties={'hw_machine_type': None})
VERDICT = Verdict(
    request=REQUEST,
    host=Host(name='epyc'),
    model=registered_models()['amd-sev'],
)
FULL = dataclasses.replace(VERDICT, code=VerdictCode.NO_FREE_SLOT)
DISABLED = dataclasses.replace(VERDICT, code=VerdictCode.HOST_DISABLED)
DEFAULT_PC = dataclasses.replace(
    VERDICT, code=VerdictCode.MACHINE_TYPE_NOT_Q35, machine_type='pc'
)


@pytest.mark.parametrize(
    ('host', 'code', 'words'),
    [
        pytest.param(
            HostCapacity(verdict=VERDICT, guests=3, binding=(SLOT,)),
            None, 'slots', id='slots'),
        pytest.param(
            HostCapacity(verdict=FULL, binding=(SLOT, 'VCPU')),
            None, 'slots, VCPU', id='full'),
        pytest.param(
            HostCapacity(verdict=VERDICT, guests=3), None,
            'what is left is spread over several providers', id='spread'),
        pytest.param(
            HostCapacity(verdict=DISABLED), 'host-disabled', 'is disabled',
            id='disabled'),
        pytest.param(
            HostCapacity(verdict=DEFAULT_PC), 'machine-type-not-q35',
            'defaults to machine type pc; amd-sev needs q35',
            id='a verdict with a case'),
        pytest.param(
            HostCapacity(verdict=VERDICT), 'no-candidate',
            'lacks something else that is asked for (resources, traits, '
            'aggregates)', id='not offered'),
        pytest.param(
            HostCapacity(verdict=FULL), 'no-candidate',
            'lacks something else that is asked for (resources, traits, '
            'aggregates)', id='full, and more'),
    ],
)  # fmt: skip
def test_what_keeps_one_more_guest_off(host, code, words):
    assert host.code == code
    assert why_no_more(host) == words


def capacity(*hosts, **facts):
    return Capacity(
        **{
            'request': REQUEST,
            'guests': sum(hosts),
            'exact': True,
            'limits': {},
            'binding': (SLOT,),
            'hosts': tuple(
                HostCapacity(verdict=VERDICT, guests=n, binding=(SLOT,))
                for n in hosts
            ),
            **facts,
        }
    )


@pytest.mark.parametrize(
    ('found', 'words'),
    [
        pytest.param(
            capacity(3, 4, 0),
            '7 more amd-sev guests fit on 2 hosts; slots bind first.',
            id='many'),
        pytest.param(
            capacity(1, binding=('VCPU',)),
            '1 more amd-sev guest fits on 1 host; VCPU binds first.',
            id='one'),
        pytest.param(
            capacity(3, 4, guests=5, binding=('DISK_GB', 'VCPU')),
            '5 more amd-sev guests fit on 2 hosts; DISK_GB, VCPU bind first. '
            'Hosts share resources: their numbers do not add up.',
            id='shared'),
        pytest.param(
            capacity(3, 4, guests=5, exact=False, binding=(), without_pool=1),
            'at least 5 more amd-sev guests fit on 2 hosts. 1 host offers no '
            'slots for it.',
            id='not proven'),
        pytest.param(
            capacity(without_pool=9, binding=()),
            '0 more amd-sev guests fit. 9 hosts offer no slots for it.',
            id='none'),
        pytest.param(
            capacity(3, overcommit_known=False),
            '3 more amd-sev guests fit on 1 host; slots bind first. Whether '
            'hosts overcommit memory was not asked.',
            id='not asked'),
    ],
)  # fmt: skip
def test_how_many_fit_in_all(found, words):
    assert in_all(found) == words


def test_the_least_amount_comes_first():
    assert amounts({'VCPU': 9, SLOT: 3}) == 'slots 3, VCPU 9'
