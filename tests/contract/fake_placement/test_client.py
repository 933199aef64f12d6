"""The library places and explains alike on the fake and on the real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import os_traits
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sev_scheduling import exceptions, parse, translate
from sev_scheduling.placement import (
    PlacementClient,
    load_cloud,
    read_cloud_file,
)
from sev_scheduling.placement.api import Api
from sev_scheduling.placement.embedded import parse_cloud
from sev_scheduling.testing import (
    FakePlacement,
    add_cloud,
    add_host,
    make_flavor,
    make_image,
)
from tests.contract.fake_placement.strategies import (
    GOLD,
    fake_of,
    same,
    uuid_of,
    write,
)

pytestmark = pytest.mark.long

STATELESS = os_traits.COMPUTE_SECURITY_STATELESS_FIRMWARE
EXAMPLE = Path(__file__).parents[3] / 'examples' / 'cloud.yaml'
GUESTS = [uuid_of(f'guest {number}') for number in range(6)]


@st.composite
def pools(draw: st.DrawFn, nested: bool) -> dict[str, Any]:
    names = st.sampled_from(['amd-sev', 'amd-sev-es', 'amd-sev-snp'])
    models = st.lists(names, max_size=2 if nested else 1, unique=True)
    found = {}
    for model in draw(models):
        total = draw(st.integers(0, 4))
        reserved = draw(st.integers(0, min(total, 1)))
        used = draw(st.integers(0, total - reserved))
        found[model] = {'total': total, 'reserved': reserved, 'used': used}
    return found


@st.composite
def clouds(draw: st.DrawFn) -> dict[str, Any]:
    hosts = []
    for number in range(draw(st.integers(1, 4))):
        nested = draw(st.booleans())
        machine_type = draw(st.sampled_from(['q35', 'q35', 'pc', None]))
        hosts.append(
            {
                'name': f'host-{number}',
                'vcpus': draw(st.integers(1, 8)),
                'memory_mb': draw(st.sampled_from([2048, 8192, 65536])),
                'disk_gb': draw(st.sampled_from([0, 10, 200])),
                'ram_allocation_ratio': draw(st.sampled_from([1.0, 1.5])),
                'machine_types': (
                    {'x86_64': machine_type} if machine_type else {}
                ),
                'layout': 'nested' if nested else 'flat',
                'traits': draw(
                    st.sampled_from([[], [STATELESS], [STATELESS, GOLD]])
                ),
                'pools': draw(pools(nested)),
            }
        )
    return {'hosts': hosts}


@st.composite
def requests(draw: st.DrawFn) -> Any:
    specs = {'hw:mem_encryption': 'true'}
    model = draw(st.sampled_from([None, 'amd-sev-es', 'amd-sev-snp']))
    if model:
        specs['hw:mem_encryption_model'] = model
    if draw(st.integers(0, 3)) == 0:
        specs[f'trait:{GOLD}'] = draw(
            st.sampled_from(['required', 'forbidden'])
        )
    flavor = make_flavor(
        vcpus=draw(st.integers(1, 4)),
        memory_mb=draw(st.sampled_from([1024, 4096])),
        disk_gb=draw(st.sampled_from([0, 20])),
        extra_specs=draw(st.sampled_from([specs, specs, specs, {}])),
    )
    image = make_image()
    if model == 'amd-sev-snp' or draw(st.integers(0, 3)) == 0:
        image = make_image(hw_firmware_stateless='true')
    return parse(flavor, image)


def outcome(call: Callable[[], Any]) -> Any:
    """Return what a call returned, or what it raised, in words."""
    try:
        return call()
    except exceptions.SevSchedulingError as error:
        explanation = getattr(error, 'explanation', None)
        words = explanation.operator() if explanation else None
        return type(error), str(error), words


def trial(client: PlacementClient, request: Any, count: int) -> list[Any]:
    """Place guests, move one and free one; return all that is said."""
    guests = GUESTS[:count]
    answer = client.candidates(translate(request))
    said = [
        client.hosts(),
        client.hosts(details=False),
        {
            frozenset(
                (uuid, name, amount)
                for uuid, amounts in candidate.allocations.items()
                for name, amount in amounts.items()
            )
            for candidate in answer.candidates(request.models)
        },
        outcome(lambda: client.diagnose(request)),
        outcome(
            lambda: client.schedule(request, len(guests), instances=guests)
        ),
        client.hosts(),
        outcome(lambda: client.move(guests[0], request)),
        client.hosts(),
        [client.release(guest) for guest in guests],
    ]
    return [*said, client.hosts()]


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    cloud=clouds(),
    request=requests(),
    count=st.integers(1, len(GUESTS)),
    max_microversion=st.sampled_from(['1.33', '1.36', '1.39']),
)
# Answers at 1.33 do not say which provider serves a group.
@example(
    cloud={
        'hosts': [
            {
                'name': 'host-0',
                'vcpus': 1,
                'memory_mb': 2048,
                'disk_gb': 0,
                'layout': 'flat',
                'pools': {'amd-sev': {'total': 1}},
            }
        ]
    },
    request=parse(
        make_flavor(
            vcpus=1,
            memory_mb=4096,
            disk_gb=0,
            extra_specs={
                'hw:mem_encryption': 'true',
                f'trait:{GOLD}': 'required',
            },
        ),
        make_image(),
    ),
    count=1,
    max_microversion='1.33',
)
def test_guests_are_placed_and_refused_alike(
    real: Any, cloud: Any, request: Any, count: int, max_microversion: str
) -> None:
    write(real, [])
    load_cloud(real, parse_cloud(cloud, 'Cloud'))
    fake = fake_of([], max_microversion=max_microversion)
    add_cloud(fake, cloud)
    expected = trial(
        PlacementClient(real, max_microversion=max_microversion),
        request,
        count,
    )
    found = trial(fake.client(), request, count)
    for said, heard in zip(expected, found, strict=True):
        assert heard == said


def test_the_cloud_of_the_demo_is_the_same(real: Any) -> None:
    cloud = read_cloud_file(EXAMPLE)
    write(real, [])
    load_cloud(real, cloud)
    fake = FakePlacement()
    add_cloud(fake, cloud)
    hosts = fake.client().hosts()
    assert hosts == PlacementClient(real).hosts()
    assert len(hosts) == len(cloud.hosts)


@pytest.mark.parametrize('nested', [True, False])
def test_a_host_is_added_alike(real: Any, nested: bool) -> None:
    write(real, [])
    fake = FakePlacement()
    for placement in (real, fake):
        add_host(
            placement,
            'epyc',
            nested=nested,
            traits=[GOLD],
            aggregates=[uuid_of('aggregate')],
        )
    assert fake.client().hosts() == PlacementClient(real).hosts()
    member_of = [frozenset({uuid_of('aggregate')})]
    for uuid in fake.providers:
        same(real, fake, 'inventories', uuid)
        same(real, fake, 'traits', uuid)
    [found] = fake.resource_providers(member_of=member_of)
    assert found.name == 'epyc'
    assert [
        p.name for p in Api(real).resource_providers(member_of=member_of)
    ] == ['epyc']
