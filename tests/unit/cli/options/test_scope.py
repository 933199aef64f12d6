import argparse

import pytest

from sev_scheduling.cli.options.scope import host_scope, read_scope
from sev_scheduling.exceptions import InputError

UUID = '3fd1e6a2-0000-4000-8000-00000000000a'


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        (['--aggregate', ''], 'empty'),
        (['--aggregate', f'{UUID},'], 'empty'),
        (['--required', 'fast'], "'fast' is no trait"),
        (['--forbidden', '!CUSTOM_A'], "'!CUSTOM_A' is no trait"),
    ],
)
@pytest.mark.parametrize('command', ['explain', 'schedule', 'capacity'])
def test_an_option_that_cannot_be_meant_is_refused(
    run, flavor, command, options, named
):
    request = ['--flavor', flavor('m1.sev')] * (command != 'capacity')
    ran = run(command, *request, '--cloud', 'none.yaml', *options)

    assert (ran.status, ran.out) == (2, '')
    assert options[0] in ran.err
    assert named in ran.err


def test_a_trait_is_not_both_required_and_forbidden():
    parsed = argparse.Namespace(
        required=['CUSTOM_A', 'CUSTOM_B'], forbidden=['CUSTOM_B']
    )

    with pytest.raises(InputError, match='both name CUSTOM_B; give one'):
        read_scope(parsed, None)


def test_a_disabled_host_is_not_asked_for():
    parsed = argparse.Namespace(
        required=['COMPUTE_STATUS_DISABLED'], forbidden=[]
    )

    with pytest.raises(InputError, match='a disabled host takes no guest'):
        read_scope(parsed, None)


@pytest.mark.parametrize(
    ('connect', 'cloud', 'listing'),
    [
        (None, 'cloud.yaml', 'sev-scheduling capacity'),
        (None, None, 'openstack hypervisor list'),
        (object(), None, 'openstack hypervisor list'),
    ],
)
def test_where_hosts_are_listed_is_told_by_where_they_come_from(
    connect, cloud, listing
):
    class Empty:
        def resource_providers(self, **kwargs):
            return []

    parsed = argparse.Namespace(host='zz', connect=connect, cloud=cloud)

    with pytest.raises(InputError, match=f"'zz': .*; see '{listing}'"):
        host_scope(parsed, Empty())
