"""capacity() counts as many guests as the real Placement then takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import os_traits
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from sev_scheduling import parse
from sev_scheduling.exceptions import NoCapacity
from sev_scheduling.placement import PlacementClient
from tests.contract.fake_placement.strategies import (
    SEV,
    clouds,
    fake_of,
    write,
)

pytestmark = pytest.mark.long

IMAGE = {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'}


@st.composite
def requests(draw: st.DrawFn) -> Any:
    """Draw a small guest; of several models, or of a granular group."""
    specs = draw(
        st.sampled_from(
            [
                {},
                {},
                {'resources:CUSTOM_NIC': '1'},
                {'resources1:CUSTOM_NIC': '1', 'group_policy': 'none'},
                {'resources1:VCPU': '1', 'resources1:CUSTOM_NIC': '1'},
                {'trait:CUSTOM_GOLD': 'required'},
            ]
        )
    )
    encrypted = draw(st.sampled_from([True, True, True, False]))
    if encrypted:
        specs = {**specs, 'hw:mem_encryption': 'true'}
    flavor = {
        'vcpus': draw(st.integers(1, 2)),
        'ram': draw(st.integers(1, 2)),
        'disk': draw(st.integers(0, 1)),
        'extra_specs': specs,
    }
    models = draw(
        st.sampled_from([(), ('amd-sev',), ('amd-sev-es', 'amd-sev')])
    )
    return parse(flavor, IMAGE, models=models if encrypted else ())


@st.composite
def roomy(draw: st.DrawFn) -> Any:
    """Draw a cloud where most hosts have slots of a model."""
    cloud = draw(clouds())
    for provider in cloud:
        if 'MEM_ENCRYPTION_CONTEXT' in provider.inventories:
            provider.traits |= draw(st.sampled_from([set(), {SEV}, {SEV}]))
        if not provider.parent and draw(st.integers(0, 7)) == 0:
            provider.traits.add(os_traits.COMPUTE_STATUS_DISABLED)
    return cloud


@settings(
    max_examples=20,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(cloud=roomy(), request=requests())
def test_as_many_guests_are_placed_as_there_is_room_for(
    real: Any, cloud: Any, request: Any
) -> None:
    write(real, cloud)
    client = PlacementClient(real)
    found = client.capacity(request, details=True)
    event(f'{min(found.guests, 3)} guests or more')

    with pytest.raises(NoCapacity) as caught:
        client.schedule(request, found.guests + 1)
    assert (found.exact, caught.value.fit) == (True, found.guests)
    if found.guests:
        assert len(client.schedule(request, found.guests)) == found.guests
        after = client.capacity(request, details=True)
        assert after.guests == 0
    assert fake_of(cloud).capacity(request, details=True) == found
    # What binds is known of each host, or a reason why it takes none.
    for host in found.hosts:
        assert host.guests or host.binding or host.code
        assert (
            host.guests
            <= found.guests
            <= sum(host.guests for host in found.hosts)
        )


@settings(max_examples=60, deadline=None)
@given(cloud=roomy(), request=requests())
def test_a_host_takes_as_many_guests_as_if_it_were_the_only_one(
    cloud: Any, request: Any
) -> None:
    for host in fake_of(cloud).capacity(request, details=True).hosts:
        alone = [
            replace(p, traits={*p.traits, os_traits.COMPUTE_STATUS_DISABLED})
            if not p.parent
            and p.uuid != host.verdict.host.uuid
            and not p.shares
            else p
            for p in cloud
        ]
        assert (
            fake_of(alone).capacity(request, details=True).guests
            == host.guests
        )
