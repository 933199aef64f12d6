"""The plug-in changes nothing but what its rules say.

Many requests, each through nova's own scheduler twice: as nova ships it, and
with the plug-in. Hosts and requests are drawn at random, from fixed seeds.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nova import context, exception, objects
from nova.scheduler.client.query import SchedulerQueryClient
from nova.virt import hardware

from sev_scheduling import parse, validate
from tests.functional.cloud import Cloud
from tests.functional.hosts import ES, NESTED, SEV

REQUESTS = 50
TRAITS = {SEV: 'HW_CPU_X86_AMD_SEV', ES: 'HW_CPU_X86_AMD_SEV_ES'}


@dataclass
class Facts:
    """What a host is, for the test to know which rule speaks against it."""

    slots: dict[str, int]
    flat: bool
    machine_type: str | None
    stale: bool


def draw_hosts(chance: random.Random) -> Iterator[Facts]:
    # One on which something can be placed, whatever is drawn.
    yield Facts(slots={SEV: 3}, flat=False, machine_type=None, stale=False)
    for _ in range(4):
        slots = {}
        if chance.random() < 0.8:
            slots[SEV] = chance.choice([1, 2, 5])
        flat = NESTED and bool(slots) and chance.random() < 0.3
        if NESTED and slots and not flat and chance.random() < 0.6:
            slots[ES] = chance.choice([1, 2])
        yield Facts(
            slots=slots,
            flat=flat,
            machine_type=chance.choice([None, 'pc', 'q35']),
            stale=NESTED and not flat and chance.random() < 0.5,
        )


def draw_request(chance: random.Random) -> tuple[Any, Any, Any]:
    """Return flavor, image and the model that it is to have, if any."""
    extra_specs, properties, model = {}, {}, None
    if chance.random() < 0.6:
        properties |= {'hw_firmware_type': 'uefi'}
    if chance.random() < 0.5:
        properties |= {'hw_machine_type': chance.choice(['q35', 'pc-q35-8'])}
    if chance.random() < 0.1:
        properties |= {'hw_disk_bus': 'ide'}
    if chance.random() < 0.1:
        properties |= {'hw_machine_type': 'pc'}
    if chance.random() < 0.6:
        model = chance.choice([SEV, ES] if NESTED else [SEV])
        if chance.random() < 0.7:
            extra_specs['hw:mem_encryption'] = chance.choice(['true', '1'])
        else:
            properties['hw_mem_encryption'] = 'true'
        if model == ES or chance.random() < 0.3:
            extra_specs['hw:mem_encryption_model'] = model
        properties['hw_firmware_type'] = 'uefi'
    elif chance.random() < 0.2:
        extra_specs['hw:mem_encryption'] = chance.choice(['false', 'maybe'])
    elif chance.random() < 0.2:
        extra_specs['trait:HW_CPU_X86_AMD_SEV'] = 'required'
    flavor = objects.Flavor(
        id=1,
        name='m1',
        flavorid='1',
        vcpus=1,
        memory_mb=chance.choice([64, 512, 1 << 25]),
        root_gb=chance.choice([1, 100, 200]),
        ephemeral_gb=0,
        swap=0,
        disabled=False,
        is_public=True,
        rxtx_factor=1.0,
        vcpu_weight=0,
        description=None,
        extra_specs=extra_specs,
    )
    image = objects.ImageMeta.from_dict(
        {'id': str(uuid.UUID(int=chance.getrandbits(128))), 'name': 'image'}
        | {'properties': properties}
    )
    return flavor, image, model


def api_lets_through(flavor: Any, image: Any, _: Any) -> bool:
    try:
        hardware.get_mem_encryption_constraint(flavor, image)
    except exception.NovaException:
        return False
    return True


class TestSameHostsRemain(Cloud):
    def add_hosts(self, chance: random.Random) -> dict[str, Facts]:
        facts = {}
        for number, host in enumerate(draw_hosts(chance)):
            name = f'host{number}'
            root = self.add_host(name, host.slots, flat=host.flat)
            traits = set()
            if host.stale:
                traits |= {TRAITS[model] for model in host.slots}
            if host.machine_type:
                trait = f'CUSTOM_HW_MACHINE_TYPE_{host.machine_type.upper()}'
                self._create_trait(trait)
                traits.add(trait)
            self.add_traits(root, *traits)
            facts[name] = host
            # Some slots are taken.
            for model, total in host.slots.items():
                used = chance.randint(0, total if number else total - 1)
                if used:
                    self.take_slots(root, name, model, host.flat, used)
                host.slots[model] = total - used
        return facts

    def take_slots(self, root, name, model, flat, used):
        nested = NESTED and not flat
        pool = f'{name}_{model.replace("-", "_")}' if nested else name
        provider = self._get_provider_uuid_by_name(pool)
        self.placement.put(
            f'/resource_providers/{provider}/inventories'
            '/MEM_ENCRYPTION_CONTEXT',
            {
                'resource_provider_generation': self.placement.get(
                    f'/resource_providers/{provider}'
                ).body['generation'],
                'total': self._get_provider_inventory(provider)[
                    'MEM_ENCRYPTION_CONTEXT'
                ]['total'],
                'reserved': used,
                'max_unit': 1,
            },
            version='1.26',
        )

    def remaining(self, flavor: Any, image: Any) -> list[str]:
        """Return the hosts that nova's scheduler finds."""
        admin = context.get_admin_context()
        server = str(uuid.uuid4())
        spec = objects.RequestSpec.from_components(
            admin, server, image, flavor, None, None, {}, None, None
        )
        spec.num_instances = 1
        spec.project_id, spec.user_id = 'project', 'user'
        try:
            ((*selections,),) = SchedulerQueryClient().select_destinations(
                admin,
                spec_obj=spec,
                instance_uuids=[server],
                return_objects=True,
                return_alternates=True,
            )
        except exception.NoValidHost:
            return []
        self._delete_server_allocations(server)
        return [selection.service_host for selection in selections]

    def explained(self, facts, flavor, image, model, hosts):
        """Return the hosts of nova alone that no rule speaks against."""
        request = parse(flavor, image)
        named = model or 'hw:mem_encryption' in flavor.extra_specs
        if named and any(problem.is_error for problem in validate(request)):
            return []
        if model is None:
            return hosts
        fitting = [host for host in hosts if facts[host].slots.get(model)]
        if request.machine_type is None:
            # What a host does not publish is unknown, and keeps nobody out.
            fitting = [h for h in fitting if facts[h].machine_type != 'pc']
        return fitting

    def play(self, seed: int) -> None:
        chance = random.Random(seed)
        self.flags(max_attempts=20, group='scheduler')
        facts = self.add_hosts(chance)
        drawn = [draw_request(chance) for _ in range(REQUESTS)]
        requests = [r for r in drawn if api_lets_through(*r)]
        alone = [self.remaining(*request[:2]) for request in requests]
        self.enable_plugin()
        with_plugin = [self.remaining(*request[:2]) for request in requests]

        for request, before, after in zip(
            requests, alone, with_plugin, strict=True
        ):
            expected = self.explained(facts, *request, before)
            # Their order is nova's, whose weights move with periodic tasks.
            assert sorted(after) == sorted(expected), (facts, request, before)
        # The draw was worth it.
        assert any(
            before != after
            for before, after in zip(alone, with_plugin, strict=True)
        )
        assert sum(map(bool, with_plugin)) > REQUESTS / 8
        self.assert_nothing_allocated()

    def test_cloud_one(self):
        self.play(1)

    def test_cloud_two(self):
        self.play(3)
