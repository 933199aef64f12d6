"""What nova asks Placement, as the request filter asks it before."""

from __future__ import annotations

import pytest
from nova import context as nova_context
from nova import objects
from nova.scheduler import request_filter

from sev_scheduling.nova.options import Options
from sev_scheduling.nova.queries import group_askers
from sev_scheduling.nova.request_spec import SpecReading
from tests.unit.nova.factories import (
    ON,
    Q35,
    ask,
    flavor,
    image,
    refusal,
    spec,
)

AGGREGATE = '33333333-2222-3333-4444-555555555555'
OTHER = '44444444-2222-3333-4444-555555555555'
PORT = '5e1f0000-2222-3333-4444-555555555555'


def port_group(resources, name=PORT):
    return objects.RequestGroup(
        requester_id=name,
        resources=resources,
        required_traits={'CUSTOM_PHYSNET_PUBLIC'},
    )


def test_the_groups_of_ports_count(world):
    world.host('alpha')
    world.set_traits(world.host('beta', pools={}), 'CUSTOM_PHYSNET_PUBLIC')
    bandwidth = {'NET_BW_EGR_KILOBIT_PER_SEC': 1000}
    request = spec(requested_resources=[port_group(bandwidth)])
    fault = refusal(request)
    assert PORT in fault
    assert '1000' in fault
    # A group that asks for nothing changes nothing.
    assert ask(spec(requested_resources=[port_group({})]))
    assert ask(spec(requested_resources=[port_group(bandwidth, None)]))


GROUP_OF_PORT = '5e1f0000-2222-5333-8444-555555555555'
SEVERAL_PORTS = f'{OTHER} or {PORT}'


@pytest.mark.parametrize(
    ('suffix', 'ports', 'asker'),
    [
        pytest.param(PORT, [], ('port', PORT), id='a port'),
        pytest.param(PORT, [PORT, OTHER], ('port', PORT), id='one of two'),
        pytest.param(
            GROUP_OF_PORT,
            [PORT, None],
            ('port', PORT),
            id="neutron's own uuid, made of the port's",
        ),
        pytest.param(
            GROUP_OF_PORT,
            [PORT, OTHER],
            ('port', SEVERAL_PORTS),
            id='it may be of either port',
        ),
        pytest.param(
            GROUP_OF_PORT, [], ('port', ''), id='of a server that is moved'
        ),
        pytest.param(
            f'{AGGREGATE}-1',
            [],
            ('pci_passthrough:alias', None),
            id='a device of a PCI alias',
        ),
        pytest.param(
            'device_profile_0',
            [],
            ('accel:device_profile', None),
            id='a device profile of the flavor',
        ),
        pytest.param(
            f'device_profile_12{PORT}',
            [PORT],
            ('port', PORT),
            id='a device profile of a port',
        ),
        pytest.param('_nic', [PORT], None, id='who knows'),
        pytest.param(None, [], None, id='no name, which nova refuses'),
    ],
)
def test_who_asks_for_a_group(suffix, ports, asker):
    request = spec(
        requested_resources=[port_group({'CUSTOM_NIC': 1}, suffix)],
        requested_networks=objects.NetworkRequestList(
            objects=[objects.NetworkRequest(port_id=port) for port in ports]
        ),
        pci_requests=objects.InstancePCIRequests(
            requests=[
                objects.InstancePCIRequest(
                    request_id=AGGREGATE, alias_name=alias, count=2
                )
                for alias in ('gpu', None)
            ]
        ),
    )
    found = {
        name: (field.key, field.owner)
        for name, field in group_askers(request).items()
    }
    assert found == ({suffix: asker} if asker else {})


def run_nova_s_own(request):
    """Run those of nova's request filters that make traits of properties."""
    for name in (
        'require_image_type_support',
        'transform_image_metadata',
        'packed_virtqueue_filter',
        'ephemeral_encryption_filter',
        'virtio_sound_filter',
    ):
        # Nova 31 has no sound.
        known = getattr(request_filter, name, None)
        if known is not None:
            known(nova_context.get_admin_context(), request)


@pytest.mark.parametrize(
    ('extra_specs', 'properties', 'key'),
    [
        *(
            ({}, {key: value}, key)
            for key, value in {
                'hw_architecture': 'x86_64',
                'hw_cdrom_bus': 'virtio',
                'hw_disk_bus': 'virtio',
                'hw_emulation_architecture': 'x86_64',
                'hw_ephemeral_encryption': 'true',
                'hw_sound_model': 'virtio',
                'hw_video_model': 'xen',
                'hw_vif_model': 'e1000e',
                'hw_virtio_packed_ring': 'true',
            }.items()
        ),
        (
            {},
            {
                'hw_ephemeral_encryption': 'true',
                'hw_ephemeral_encryption_format': 'luks',
            },
            'hw_ephemeral_encryption_format',
        ),
        ({'hw:ephemeral_encryption': 'true'}, {}, 'hw:ephemeral_encryption'),
        ({'hw:sound_model': 'virtio'}, {}, 'hw:sound_model'),
        ({'hw:virtio_packed_ring': 'true'}, {}, 'hw:virtio_packed_ring'),
        ({}, {}, 'disk_format'),
    ],
)
def test_traits_that_nova_makes_of_properties_are_named_by_these(
    world, configured, extra_specs, properties, key
):
    configured(
        'scheduler',
        image_metadata_prefilter=True,
        query_placement_for_image_type_support=key == 'disk_format',
    )
    world.host('alpha')
    request = spec(
        {**ON, **extra_specs},
        flavor=flavor({**ON, **extra_specs}),
        image=image({**Q35, **properties}, disk_format='qcow2'),
    )
    run_nova_s_own(request)
    validation = SpecReading.of(request).validation(request, Options())
    sources = validation.request.asked_by
    for trait in request.root_required:
        assert trait in sources
    assert key in {
        field.key
        for trait in request.root_required
        for field, _ in sources[trait]
    }
    fault = refusal(request)
    assert 'in service' not in fault
    assert len(request.root_required) > 1 or key in fault


PINNED = {**ON, 'hw:cpu_policy': 'dedicated'}


@pytest.mark.parametrize(
    ('extra_specs', 'properties', 'vcpus'),
    [
        pytest.param(PINNED, Q35, 4, id='pinned by the flavor'),
        pytest.param(
            ON, {**Q35, 'hw_cpu_policy': 'dedicated'}, 4, id='by the image'
        ),
        pytest.param(
            {**PINNED, 'hw:emulator_threads_policy': 'isolate'},
            Q35,
            4,
            id='with a CPU for the emulator, which nova then forgets',
        ),
        pytest.param(
            {**PINNED, 'hw:cpu_thread_policy': 'require'},
            Q35,
            4,
            id='with a policy for threads, which it forgets as well',
        ),
    ],
)
def test_nova_s_second_query_for_pinned_cpus_counts(
    world, configured, extra_specs, properties, vcpus
):
    """Its hosts may not report PCPU yet: then VCPU will do."""
    world.host('alpha', vcpus=4)

    def request(vcpus):
        return spec(
            extra_specs,
            properties,
            flavor=flavor(extra_specs, vcpus=vcpus),
        )

    assert not world.hosts_for(request(vcpus))
    assert world.hosts_for(request(vcpus), pinned=False)
    assert ask(request(vcpus))
    assert not world.hosts_for(request(vcpus + 1), pinned=False)
    assert 'cpu_policy' in refusal(request(vcpus + 1))
    configured('workarounds', disable_fallback_pcpu_query=True)
    assert 'cpu_policy' in refusal(request(vcpus))


@pytest.mark.parametrize(
    'extra_specs',
    [
        pytest.param(
            {**PINNED, 'trait:HW_CPU_HYPERTHREADING': 'required'},
            id='a trait that the flavor requires itself',
        ),
        pytest.param(
            {**ON, 'hw:cpu_policy': 'mixed', 'hw:cpu_dedicated_mask': '0'},
            id='mixed CPUs, for which nova has no second question',
        ),
    ],
)
def test_what_the_second_query_does_not_help(world, extra_specs):
    world.host('alpha', vcpus=4)
    assert 'hw:cpu_policy' in refusal(spec(extra_specs))


def test_groups_beside_pinned_cpus_are_kept(world):
    world.host('alpha', vcpus=4)
    world.placement.known_classes.add('CUSTOM_NIC')
    assert ask(spec(PINNED))
    found = refusal(spec({**PINNED, 'resources1:CUSTOM_NIC': '1'}))
    assert 'hw:cpu_policy' in found
