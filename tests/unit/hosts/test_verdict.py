import pytest

from sev_scheduling import Host, Verdict, VerdictCode
from tests.unit.factories import encrypted

REQUEST, HOST = encrypted(), Host(name='a', ram_allocation_ratio=1.5)


def verdict(code=None, **facts):
    return Verdict(request=REQUEST, host=HOST, code=code, **facts)


def test_codes_are_frozen_in_the_order_of_judgement():
    assert [str(code) for code in VerdictCode] == [
        'no-pool',
        'excluded-by-model',
        'host-disabled',
        'hypervisor-unsupported',
        'machine-type-not-q35',
        'memory-overcommitted',
        'no-free-slot',
    ]


@pytest.mark.parametrize('code', [None, *VerdictCode])
def test_a_taken_slot_and_a_disabled_host_may_pass(code):
    found = verdict(code)

    assert found.fits is (code is None)
    passing = (None, 'host-disabled', 'no-free-slot')
    assert found.permanent is (code not in passing)
    assert found.ram_allocation_ratio == 1.5
    # The request is as long as its flavor and image are.
    assert 'request=' not in repr(found)
