"""The real Placement answers what translate() asks, and rightly."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sev_scheduling import (
    Host,
    InvalidRequest,
    filter_hosts,
    judge,
    parse,
    translate,
)
from tests.contract.core import clouds
from tests.contract.core.clouds import GOLD, NIC, OLD, SEV, SEV_ES
from tests.contract.core.novaobjects import nova_flavor, nova_image
from tests.contract.core.test_nova_differences import resource_request
from tests.unit import strategies
from tests.unit.factories import ON, READY, flavor, image

pytestmark = pytest.mark.long

SEVS = {'flat', 'shared', 'nested', 'both', 'gold', 'old'}
ALL = SEVS | {'plain', 'flat-full', 'stale', 'snp'}
STATEFUL = {'hw_firmware_stateless': None}


@pytest.fixture(scope='module')
def cloud(placement):
    cloud = clouds.Cloud(placement)
    clouds.build(cloud)
    return cloud


def request_for(extra_specs, properties=STATEFUL, fields=None, **kwargs):
    return parse(
        flavor(ON | extra_specs, **(fields or {})),
        image({**READY, **properties}),
        **kwargs,
    )


def model(name):
    return {'hw:mem_encryption_model': name}


@pytest.mark.parametrize(
    ('request_', 'hosts'),
    [
        pytest.param(request_for({}), SEVS, id='amd-sev'),
        pytest.param(
            request_for(model('amd-sev-es')),
            {'shared', 'nested', 'stale'},
            id='amd-sev-es',
        ),
        pytest.param(
            request_for(model('amd-sev-snp'), {}), {'snp'}, id='amd-sev-snp'
        ),
        pytest.param(request_for(model('intel-tdx'), {}), set(), id='TDX'),
        pytest.param(
            request_for({}, {}), {'gold'}, id='stateless firmware by choice'
        ),
        pytest.param(
            request_for({}, models=['amd-sev-es', 'amd-sev']),
            SEVS | {'stale'},
            id='any of two models',
        ),
        pytest.param(
            request_for({f'trait:{SEV}': 'required'}),
            SEVS,
            id="the model's trait, required by the flavor as well",
        ),
        pytest.param(
            request_for({}, {**STATEFUL, f'trait:{SEV}': 'required'}),
            SEVS,
            id="the model's trait, required by the image as well",
        ),
        pytest.param(
            request_for({f'trait:{GOLD}': 'required'}),
            {'gold'},
            id='a required trait',
        ),
        pytest.param(
            request_for({}, {**STATEFUL, f'trait:{GOLD}': 'required'}),
            {'gold'},
            id='a trait that the image requires',
        ),
        pytest.param(
            request_for({f'trait:{OLD}': 'forbidden'}),
            SEVS - {'old'},
            id='a forbidden trait',
        ),
        pytest.param(
            request_for({f'resources:{NIC}': '1'}),
            {'gold', 'old'},
            id='a resource from anywhere in the tree',
        ),
        pytest.param(
            request_for({f'resources1:{NIC}': '1'}),
            {'gold', 'old'},
            id='a group',
        ),
        pytest.param(
            request_for(
                {f'resources1:{NIC}': '1', f'trait1:{GOLD}': 'required'}
            ),
            {'gold'},
            id='a group with a trait',
        ),
        pytest.param(
            request_for({f'resources1:{NIC}': '2'}),
            {'old'},
            id='a group that one provider must serve',
        ),
        pytest.param(
            request_for({f'resources1:{NIC}': '1', f'resources2:{NIC}': '1'}),
            {'gold', 'old'},
            id='two groups',
        ),
        pytest.param(
            request_for(
                {
                    f'resources1:{NIC}': '1',
                    f'resources2:{NIC}': '1',
                    'group_policy': 'isolate',
                }
            ),
            {'gold'},
            id='two groups, isolated',
        ),
        pytest.param(
            request_for({'resources1:VCPU': '2', 'group_policy': 'isolate'}),
            SEVS,
            id='an isolated group leaves a flat host its slots',
        ),
        pytest.param(
            request_for({f'resources_MEM_ENCRYPTION:{NIC}': '1'}),
            {'gold', 'old'},
            id="a group of the slot's suffix",
        ),
        pytest.param(
            request_for({}, boot_from_volume=True),
            SEVS | {'diskless'},
            id='boot from volume',
        ),
        pytest.param(
            request_for({}, fields={'disk': 0}),
            SEVS | {'diskless'},
            id='no disk',
        ),
        pytest.param(
            request_for({}, fields={'disk': 499, 'swap': 1024}),
            SEVS,
            id='swap fills the disk',
        ),
        pytest.param(
            request_for({}, fields={'disk': 499, 'swap': 1025}),
            set(),
            id='swap is rounded up over it',
        ),
        pytest.param(
            request_for({}, fields={'disk': 499, 'ephemeral': 2}),
            set(),
            id='ephemeral disk counts',
        ),
        pytest.param(
            request_for({}, fields={'vcpus': 16}), SEVS, id='all CPUs'
        ),
        pytest.param(
            request_for({}, fields={'vcpus': 17}), set(), id='too many CPUs'
        ),
        pytest.param(
            parse(flavor(), image()), ALL, id='a guest without encryption'
        ),
        pytest.param(
            parse(flavor({'resources:MEM_ENCRYPTION_CONTEXT': '1'})),
            SEVS | {'stale', 'snp'},
            id='a slot without encryption',
        ),
        pytest.param(
            parse(flavor({f'trait:{SEV}': 'required'})),
            {'flat', 'flat-full', 'shared', 'stale', 'both'},
            id='a trait without encryption',
        ),
    ],
)
def test_the_right_hosts_are_candidates(cloud, request_, hosts):
    query = translate(request_)
    answer = cloud.candidates(query)

    assert cloud.hosts(answer) == hosts
    for provider in cloud.slot_providers(answer, query.slot_suffix):
        if request_.encrypted:
            summary = answer['provider_summaries'][clouds.uuid_of(provider)]
            wanted = {model.trait for model in query.models}
            assert wanted.intersection(summary['traits'])
            assert 'MEM_ENCRYPTION_CONTEXT' in summary['resources']


@pytest.mark.parametrize(
    ('name', 'slots'),
    [
        (
            'amd-sev',
            {
                *('flat', 'shared', 'nested_amd_sev', 'both_amd_sev'),
                *('gold_amd_sev', 'old_amd_sev'),
            },
        ),
        (
            'amd-sev-es',
            {'shared', 'nested_amd_sev_es', 'stale_amd_sev_es'},
        ),
    ],
)
def test_a_slot_comes_from_a_pool_of_the_model(cloud, name, slots):
    query = translate(request_for(model(name)))
    answer = cloud.candidates(query)

    assert cloud.slot_providers(answer, query.slot_suffix) == slots


def test_the_query_of_nova_finds_a_slot_of_another_model(cloud):
    """The reason for a group of its own."""
    nova = resource_request(
        nova_flavor(ON),
        nova_image({'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'}),
    )
    answer = cloud.adapter.get(
        f'/allocation_candidates?{nova.to_querystring()}', microversion='1.36'
    ).json()

    assert 'stale_amd_sev_es' in cloud.slot_providers(answer, '')
    assert cloud.hosts(answer) - SEVS == {'stale'}


@pytest.mark.parametrize(
    ('name', 'properties'),
    [
        ('amd-sev', STATEFUL),
        ('amd-sev-es', STATEFUL),
        ('amd-sev-snp', {}),
        ('intel-tdx', {}),
    ],
)
def test_hosts_say_what_placement_says(cloud, name, properties):
    everything = cloud.candidates(translate(parse(flavor(disk=0))))
    request = request_for(model(name), properties, {'disk': 0})
    result = filter_hosts(
        request,
        Host.from_provider_summaries(
            everything['provider_summaries'], names=cloud.names
        ),
    )

    assert len(result.verdicts) == len(ALL) + 1
    assert {host.name for host in result.accepted} == cloud.hosts(
        cloud.candidates(translate(request))
    )


def test_hosts_are_read_from_an_answer(cloud):
    request = request_for({})
    answer = cloud.candidates(translate(request))
    hosts = Host.from_provider_summaries(
        answer['provider_summaries'], names=cloud.names
    )
    pools = {
        host.name: {
            name: (pool.total, pool.used, cloud.names[pool.provider_uuid])
            for name, pool in host.pools.items()
        }
        for host in hosts
    }

    assert pools['flat'] == {'amd-sev': (2, 0, 'flat')}
    assert pools['nested'] == {
        'amd-sev': (2, 1, 'nested_amd_sev'),
        'amd-sev-es': (2, 0, 'nested_amd_sev_es'),
    }
    assert pools['shared'] == {
        'amd-sev': (2, 0, 'shared'),
        'amd-sev-es': (2, 0, 'shared'),
    }
    assert pools['both'] == {'amd-sev': (2, 0, 'both_amd_sev')}
    assert set(pools) == SEVS
    assert all(judge(request, host).fits for host in hosts)


def statuses(adapter, query):
    answer = adapter.get(
        f'/allocation_candidates?{query.querystring(limit=1)}',
        microversion=query.microversion,
        raise_exc=False,
    )
    return answer.status_code, answer.text


@settings(deadline=None, max_examples=200)
@given(
    strategies.plausible_flavors(),
    strategies.plausible_images(),
    st.sampled_from([(), ('amd-sev-snp', 'amd-sev')]),
    st.booleans(),
)
def test_a_request_is_refused_or_placement_accepts_its_query(
    placement, flavor, image, models, from_volume
):
    request = parse(flavor, image, models=models, boot_from_volume=from_volume)
    try:
        query = translate(request)
    except InvalidRequest:
        return
    status, text = statuses(placement, query)

    assert status == 200, (query.querystring(), text)


def test_every_trait_of_a_model_is_known_to_placement(placement):
    known = placement.get('/traits', microversion='1.33').json()['traits']

    assert {SEV, SEV_ES, clouds.SNP, clouds.TDX} <= set(known)
