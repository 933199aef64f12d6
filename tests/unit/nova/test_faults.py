"""Faults within nova's 255 bytes, its own words included."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nova import exception
from nova.compute import utils as compute_utils

from sev_scheduling.explain.explanation import Explanation
from sev_scheduling.explain.reasons import Reason
from sev_scheduling.nova.faults import host_fault, request_fault

LIMIT = 255


def explained(*texts):
    """Return reasons of (tenant text, tenant fix)."""
    return Explanation(
        'headline',
        'tenant headline',
        tuple(
            Reason('code', 0, 'operator text', 'fix', text, fix)
            for text, fix in texts
        ),
    )


def faults(explanation):
    """Return what users read, by the filter and by the request filter."""
    failed = exception.RequestFilterFailed(reason=request_fault(explanation))
    return (
        str(exception.NoValidHost(reason=host_fault(explanation))),
        str(exception.NoValidHost(reason=failed.message)),
    )


def image(name, **values):
    options = ' '.join(f'--property {k}={v}' for k, v in values.items())
    return f'openstack image set {options} {name}'


def test_the_whole_is_said_where_it_fits():
    assert host_fault(explained(('A is so.', 'Do B.'), ('C.', ''))) == (
        'A is so. Do B. C.'
    )


def test_what_is_not_for_tenants_is_left_out():
    assert host_fault(explained(('', 'Do B.'), ('C.', 'D.'))) == 'C. D.'
    assert host_fault(explained()) == ''


def test_who_asked_goes_first():
    long = 'Memory encryption is requested by x, but the image has no y.'
    text = request_fault(
        explained((long, image('ubuntu', y='1')), (long, 'Do it.' + 'z' * 99))
    )
    assert text.startswith('The image has no y. openstack image set')
    assert 'Memory encryption' not in text


def test_a_but_of_another_sentence_stays():
    text = f'It is so, but it is not. {"x" * 200}'
    assert host_fault(explained((text, 'y' * 60))).startswith('y')


def test_fixes_to_one_image_are_said_in_one_sentence():
    said = request_fault(
        explained(
            ('b' * 180, image('ubuntu', hw_disk_bus='virtio')),
            ('c' * 180, image('ubuntu', hw_cdrom_bus='sata')),
            ('d' * 180, 'openstack flavor unset --property x m1'),
            ('e' * 180, 'openstack flavor unset --property y m1'),
            ('f' * 180, 'Ask somebody.'),
        )
    )
    assert said == (
        'Set hw_disk_bus=virtio, hw_cdrom_bus=sata on image ubuntu. Remove '
        'x, y from flavor m1. Ask somebody.'
    )


@pytest.mark.parametrize(
    'fix',
    [
        "openstack image set --property x='unfinished",
        'openstack server delete --force a b',
        'openstack image set --property ubuntu',
        'openstack image set --os-hash-algo x ubuntu',
        'openstack image set --property a=b --property ubuntu',
    ],
)
def test_a_fix_that_is_another_command_is_said_as_it_is(fix):
    assert host_fault(explained(('x' * 230, fix))) == fix


def test_where_nothing_fits_it_is_cut_between_words():
    text = host_fault(explained(('x' * 300, 'word ' * 80)))
    assert text.endswith('word …')
    assert len(faults(explained(('x' * 300, 'word ' * 80)))[0].encode()) > 245


@pytest.mark.parametrize('letter', ['w', 'ü', '密', '🔒'])
def test_a_name_without_end_is_cut_between_letters(letter):
    explanation = explained(('x' * 300, letter * 300))
    for fault in faults(explanation):
        assert LIMIT - 8 <= len(fault.encode()) <= LIMIT
        assert fault.endswith(f'{letter} …')


@pytest.mark.parametrize('more', [0, 1])
def test_at_the_very_limit(more):
    for fault_of, prefix in (
        (host_fault, 'No valid host was found. '),
        (request_fault, 'No valid host was found. Scheduling failed: '),
    ):
        whole = 'x' * (LIMIT - len(prefix) + more)
        said = fault_of(explained((whole, '')))
        assert (said == whole) is not more
        assert len((prefix + said).encode()) <= LIMIT


WORDS = st.text(alphabet='ab ü密🔒\'"-=', max_size=400)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(WORDS, WORDS), max_size=6))
def test_nova_keeps_every_fault_as_it_is(texts):
    for fault in faults(explained(*texts)):
        # What nova.compute.utils.add_instance_fault_from_exc keeps.
        kept = compute_utils.utils.safe_truncate(fault, LIMIT)
        assert kept == fault
