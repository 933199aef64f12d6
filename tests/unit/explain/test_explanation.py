import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sev_scheduling import (
    Cause,
    Diagnosis,
    Host,
    SlotPool,
    explain,
    filter_hosts,
    parse,
)
from sev_scheduling.rules.actions import REBUILD_NOT_UNDONE
from tests.unit.factories import ON, READY, encrypted, flavor, image, plain

OPEN = {'hw_machine_type': None}
SET_Q35 = 'openstack image set --property hw_machine_type=q35 ubuntu-24.04'


def request_for(name='ubuntu-24.04', properties=OPEN, **kwargs):
    return parse(
        flavor(ON), image({**READY, **properties}, name=name), **kwargs
    )


def host(name, pool=None, machine_type='q35', **changes):
    return Host(
        name=name,
        pools={'amd-sev': pool or SlotPool(15)},
        machine_types={'x86_64': machine_type},
        **changes,
    )


def hosts(count, name, **changes):
    return [host(f'{name}-{n}', **changes) for n in range(count)]


def test_both_views_of_a_cloud_without_a_fitting_host():
    cloud = [
        *hosts(2, 'old', machine_type='pc'),
        *[Host(name=f'plain-{n}') for n in range(6)],
        *hosts(4, 'full', pool=SlotPool(15, 0, 15)),
    ]
    explanation = explain(filter_hosts(request_for(), cloud))

    assert explanation.operator() == (
        '0 of 12 hosts can run this amd-sev guest:\n'
        '  6  offer no amd-sev slots\n'
        '     plain-0, plain-1, plain-2, plain-3, plain-4 and 1 more\n'
        '  4  have no free amd-sev slot (60 of 60 in use)\n'
        '     full-0, full-1, full-2, full-3\n'
        '  2  default to machine type pc; amd-sev needs q35\n'
        '     old-0, old-1\n'
        '     -> if the image runs on q35:\n'
        '        openstack image set --property hw_machine_type=q35 '
        'ubuntu-24.04\n'
        '     -> or set [libvirt] hw_machine_type = x86_64=q35 in nova.conf '
        'of every such host'
    )
    assert explanation.tenant() == (
        'No host can run this amd-sev guest:\n'
        '- All amd-sev slots that it could use are taken now. Try again '
        'later, or delete an encrypted server.\n'
        '- The image names no machine type, and hosts give it pc; amd-sev '
        f'needs q35. If the image runs on q35:\n    {SET_Q35}'
    )


def test_a_server_that_exists_has_an_image_of_its_own():
    """To change the image that it was made of does not reach it."""
    server = '5e1f0000-0000-4000-8000-000000000000'
    request = replace(request_for(), server=server)
    cloud = hosts(2, 'old', machine_type='pc')
    explanation = explain(filter_hosts(request, cloud))
    command = (
        'nova-manage image_property set --property hw_machine_type=q35 '
        + server
    )

    assert explanation.commands == (command,)
    assert f'-> if the image runs on q35:\n        {command}\n' in (
        explanation.operator()
    )
    assert explanation.fault(230) == (
        'The image names no machine type, and hosts give it pc; amd-sev needs '
        f'q35. Set it on the stopped server: {command}'
    )


def test_counts_are_right_aligned_and_sorted_as_numbers():
    cloud = [
        *hosts(9, 'full', pool=SlotPool(15, 0, 15)),
        *[Host(name=f'plain-{n}') for n in range(10)],
        host('pc', machine_type='pc'),
    ]
    text = explain(filter_hosts(request_for(), cloud)).operator()

    assert text.splitlines()[:7] == [
        '0 of 20 hosts can run this amd-sev guest:',
        '  10  offer no amd-sev slots',
        '      plain-0, plain-1, plain-2, plain-3, plain-4 and 5 more',
        '   9  have no free amd-sev slot (135 of 135 in use)',
        '      full-0, full-1, full-2, full-3, full-4 and 4 more',
        '   1  defaults to machine type pc; amd-sev needs q35',
        '      pc',
    ]
    assert text.splitlines()[7].startswith('      -> if the image runs')


def test_groups_of_the_same_size_keep_the_order_of_judgement():
    cloud = [
        host('full', pool=SlotPool(1, 0, 1)),
        host('over', ram_allocation_ratio=2.0),
        host('pc', machine_type='pc'),
        host('vmware', hypervisor_type='vmware'),
        Host(name='plain'),
    ]
    explanation = explain(filter_hosts(request_for(), cloud))

    assert [str(reason.code) for reason in explanation.reasons] == [
        'no-pool',
        'hypervisor-unsupported',
        'machine-type-not-q35',
        'memory-overcommitted',
        'no-free-slot',
    ]


def test_where_some_hosts_fit_operators_see_why_others_do_not():
    cloud = [host('a'), host('b', machine_type='pc')]
    explanation = explain(filter_hosts(request_for(), cloud))

    assert explanation.operator().startswith(
        '1 of 2 hosts can run this amd-sev guest:\n  1  defaults to'
    )
    assert explanation.tenant() == 'This amd-sev guest can be placed.'


@pytest.mark.parametrize(
    ('cloud', 'operator', 'tenant'),
    [
        pytest.param(
            [host('a')],
            '1 of 1 host can run this amd-sev guest.',
            'This amd-sev guest can be placed.',
            id='one host, which fits',
        ),
        pytest.param(
            hosts(3, 'a'),
            '3 of 3 hosts can run this amd-sev guest.',
            'This amd-sev guest can be placed.',
            id='all fit',
        ),
        pytest.param(
            [],
            '0 of 0 hosts can run this amd-sev guest.',
            'No host can run this amd-sev guest:',
            id='no hosts',
        ),
    ],
)
def test_headlines(cloud, operator, tenant):
    explanation = explain(filter_hosts(request_for(), cloud))

    assert explanation.operator() == operator
    assert explanation.tenant() == tenant


POOLS = st.dictionaries(
    st.sampled_from(['amd-sev', 'amd-sev-es', 'amd-sev-snp', 'intel-tdx']),
    st.builds(
        SlotPool, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)
    ),
)
HOSTS = st.builds(
    Host,
    name=st.sampled_from(['secret-a', 'secret-b', 'secret-c']),
    pools=POOLS,
    machine_types=st.dictionaries(
        st.just('x86_64'), st.sampled_from(['q35', 'pc', None])
    ),
    ram_allocation_ratio=st.sampled_from([None, 1.0, 1.5, 16.0]),
    hypervisor_type=st.sampled_from([None, 'QEMU', 'ironic']),
)
REQUESTS = st.sampled_from(
    [
        plain(),
        *(
            encrypted({}, properties, **kwargs)
            for properties in (OPEN, {}, {'hw_machine_type': 'pc'})
            for kwargs in (
                {'model': 'amd-sev'},
                {'model': 'amd-sev-es'},
                {'model': 'intel-tdx'},
                {'model': 'arm-cca'},
                {'models': ['amd-sev-snp', 'amd-sev-es', 'amd-sev']},
            )
        ),
    ]
)


@given(REQUESTS, st.lists(HOSTS, max_size=8), st.booleans())
def test_counts_add_up_to_the_number_of_hosts(request, cloud, known):
    result = filter_hosts(request, cloud, require_known_machine_type=known)
    explanation = explain(result)
    counts = [reason.hosts for reason in explanation.reasons]

    assert len(result.accepted) + sum(counts) == len(cloud)
    assert explanation.headline.startswith(
        f'{len(result.accepted)} of {len(cloud)} host'
    )
    assert counts == sorted(counts, reverse=True)
    assert all(counts)


@given(REQUESTS, st.lists(HOSTS, max_size=8), st.booleans())
def test_tenants_see_neither_host_names_nor_counts(request, cloud, known):
    result = filter_hosts(request, cloud, require_known_machine_type=known)
    explanation = explain(result)
    text = explanation.tenant()
    without_names = re.sub(r'q35|x86_64|m1|CVE-[0-9-]+', '', text)

    assert 'secret' not in text
    assert not re.search(r'[0-9]', without_names)
    # Where no host fits, a tenant always reads a reason.
    if cloud and not result.accepted:
        assert '\n- ' in text


@pytest.mark.parametrize(
    ('used', 'permanent'),
    [pytest.param(1, False, id='full'), pytest.param(0, True, id='no pool')],
)
def test_a_reason_is_permanent_unless_a_slot_may_come_free(used, permanent):
    pools = {'amd-sev': SlotPool(used, 0, used)} if used else {}
    result = filter_hosts(encrypted(), [Host(name='a', pools=pools)])
    (reason,) = explain(result).reasons

    assert reason.permanent is permanent


def test_a_diagnosis_in_both_views():
    explanation = explain(
        Diagnosis(request=encrypted(), cause=Cause.NO_MODEL, calls=2)
    )

    assert explanation.operator() == (
        'Placement has no candidate for this amd-sev guest:\n'
        '  -  no host offers amd-sev slots'
    )
    assert explanation.tenant() == (
        'No host can run this amd-sev guest:\n'
        "- No host offers amd-sev memory encryption. Ask the cloud's "
        'operator.'
    )


def test_a_diagnosis_of_an_answer_with_candidates():
    explanation = explain(Diagnosis(request=encrypted(), cause=Cause.NONE))

    assert explanation.operator() == (
        'Placement has candidates for this amd-sev guest.'
    )
    assert explanation.tenant() == 'This amd-sev guest can be placed.'


def test_one_more_problem_is_the_last_reason_of_any_explanation():
    problem = REBUILD_NOT_UNDONE
    for finding in ((), (problem,)):
        added = explain(finding).adding(problem)
        assert added.reasons[-1].code == 'rebuild-not-undone'
        assert len(added.reasons) == len(finding) + 1
    assert problem.message == (
        'The server may keep hw_mem_encryption of the refused image.'
    )
    assert str(problem.fix) == (
        "Ask the cloud's operator before a hard reboot."
    )


DISABLED = frozenset({'COMPUTE_STATUS_DISABLED'})


@pytest.mark.parametrize(
    ('cloud', 'operator', 'tenant'),
    [
        pytest.param(
            [host('a', traits=DISABLED), host('b', traits=DISABLED)],
            '2  are disabled',
            '- No host with amd-sev slots is in service. ',
            id='all of them',
        ),
        pytest.param(
            [host('a', traits=DISABLED), Host(name='plain')],
            '1  is disabled',
            '- No host with amd-sev slots is in service. ',
            id='all that have the model',
        ),
        pytest.param(
            [host('a', traits=DISABLED), host('b', SlotPool(1, 0, 1))],
            '1  is disabled',
            '- All amd-sev slots that it could use are taken now. ',
            id='a tenant is told what it can wait for',
        ),
    ],
)
def test_disabled_hosts(cloud, operator, tenant):
    explanation = explain(filter_hosts(request_for(), cloud))

    assert f'  {operator}\n' in explanation.operator()
    assert 'openstack compute service set --enable' in explanation.operator()
    (line,) = explanation.tenant().splitlines()[1:]
    assert line.startswith(tenant)
    assert not explanation.reasons[-1].permanent


def test_disabled_hosts_take_no_guest_without_encryption_either():
    result = filter_hosts(plain(), [Host(name='a', traits=DISABLED)])

    assert explain(result).operator().splitlines()[1:] == [
        '  1  is disabled',
        '     a',
        '     -> enable a, by the host name of its compute service:',
        '        openstack compute service set --enable a nova-compute',
    ]
    assert 'No host is in service.' in explain(result).tenant()
    assert result.verdicts[0].message == 'a is disabled.'
    assert result.verdicts[0].fix == 'Enable a, or use another host.'
