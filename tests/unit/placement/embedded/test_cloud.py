"""The hosts of a cloud file."""

from dataclasses import replace

import pytest

from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.models import registered_models
from sev_scheduling.placement.embedded.cloud import CloudHost

HOST = CloudHost(
    name='epyc',
    vcpus=8,
    memory_mb=4096,
    disk_gb=10,
    pools=dict.fromkeys(registered_models(), SlotPool(1)),
)


@pytest.mark.parametrize(
    ('nested', 'names'),
    [
        (
            True,
            [
                'epyc',
                'epyc_amd_sev',
                'epyc_amd_sev_es',
                'epyc_amd_sev_snp',
                'epyc_intel_tdx',
            ],
        ),
        (False, ['epyc']),
    ],
)
def test_the_names_of_a_hosts_providers(nested, names):
    assert replace(HOST, nested=nested).provider_names == names


def test_a_uuid_is_that_of_a_hosts_facts_and_a_pool():
    same = replace(HOST)
    others = {replace(HOST, vcpus=9).uuid, HOST.provider_uuid('amd_sev')}

    assert HOST.uuid == same.uuid
    assert len({HOST.uuid, *others}) == 3


def test_uuids_stay_as_they_are():
    """A Placement that was filled before is known by them."""
    host = replace(HOST, pools={})

    assert host.uuid == '166fbc15-58b9-5fe6-9e85-6dea80721a1a'
