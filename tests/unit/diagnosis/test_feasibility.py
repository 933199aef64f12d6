"""Figures of hosts agree with those of why none of them fits."""

import pytest

from sev_scheduling import (
    Cause,
    Constraint,
    Diagnosis,
    Feasibility,
    Host,
    SlotPool,
    filter_hosts,
)
from sev_scheduling.diagnosis import Shortfall, Unmet
from tests.unit.factories import encrypted

HOST = Host(name='a', uuid='1', pools={'amd-sev': SlotPool(15)})
OTHER = Host(name='b', uuid='2')
VCPU = Constraint(Cause.RESOURCES_SHORT, 'VCPU', 17)
DISK = Constraint(Cause.RESOURCES_SHORT, 'DISK_GB', 9)
#: No guest can have more than 4.
NEAREST = Shortfall('VCPU', 17, 4, 'a')


def left(unmet, shortfalls=(NEAREST,), host=HOST):
    """Return what a host has left of each, once figures are in line."""
    short = Diagnosis(
        request=encrypted(),
        cause=Cause.RESOURCES_SHORT,
        constraints=(VCPU,),
        shortfalls=shortfalls,
    )
    found = Feasibility(
        filter_hosts(encrypted(), [host]),
        diagnosis=short,
        unmet={host.uuid: tuple(unmet)},
    ).with_figures()
    return [one.left for one in found.unmet[host.uuid]]


@pytest.mark.parametrize(
    ('shown', 'kept'),
    [
        pytest.param(16, 4, id='more than one guest may have'),
        pytest.param(4, 4, id='as much'),
        pytest.param(3, 3, id='less'),
        pytest.param(0, 0, id='nothing'),
        pytest.param(None, None, id='what is not known stays unknown'),
    ],
)
def test_no_host_has_more_left_than_the_nearest(shown, kept):
    assert left([Unmet(VCPU, shown)]) == [kept]


def test_of_a_host_that_lacks_more_nothing_is_known_of_the_nearest():
    assert left([Unmet(VCPU, 16), Unmet(DISK, 8)]) == [16, 8]
    assert left([Unmet(DISK, 8)]) == [8]
    # It is short of a slot as well.
    assert left([Unmet(VCPU, 16)], host=OTHER) == [16]


def test_of_several_amounts_the_nearest_host_need_not_have_most_of_each():
    two = (NEAREST, Shortfall('DISK_GB', 9, 1, 'a'))
    assert left([Unmet(VCPU, 16)], two) == [16]


def test_without_a_diagnosis_figures_are_as_shown():
    found = Feasibility(filter_hosts(encrypted(), [HOST]))
    assert found.with_figures() is found
