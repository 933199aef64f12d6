"""What a compute host says of itself, host by host, in one process.

Nova's fake libvirt lets all hosts share one kernel, one default machine type
and one set of domain capabilities. Here each connection carries its host's.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import fixtures
import os_resource_classes
import os_traits
from nova.virt.libvirt import driver, host
from nova.virt.libvirt import utils as libvirt_utils

SLOT = os_resource_classes.MEM_ENCRYPTION_CONTEXT
SEV, ES, SNP, TDX = 'amd-sev', 'amd-sev-es', 'amd-sev-snp', 'intel-tdx'

#: Releases up to 2025.1 put the slots on the root and know one model.
NESTED = hasattr(
    driver.LibvirtDriver, '_update_provider_tree_for_memory_encryption'
)
#: 2026.2 brought these two.
KNOWS_SNP = hasattr(host.Host, 'supports_amd_sev_snp')


@dataclass(kw_only=True)
class HostFacts:
    """One host.

    :ivar slots: model name -> slots that libvirt reports; None for no limit
        (libvirt before 8.0.0)
    :ivar machine_type: ``[libvirt] hw_machine_type`` for x86_64
    :ivar flat: its slots stay on the root, as before 2025.2
    """

    slots: Mapping[str, int | None] = field(default_factory=dict)
    machine_type: str = 'pc'
    flat: bool = False
    #: server uuid -> whether libvirt was told to encrypt its memory
    encrypted: dict[str, bool] = field(default_factory=dict)
    #: how many guests it was told to spawn
    spawns: int = 0

    @property
    def features(self) -> str:
        """The element ``features`` of libvirt's domain capabilities."""
        lines = ["<gic supported='no'/>"]
        if set(self.slots) & {SEV, ES, SNP}:
            lines += ["<sev supported='yes'>", '<cbitpos>47</cbitpos>']
            lines += ['<reducedPhysBits>1</reducedPhysBits>']
            limit = self.slots.get(SEV, 0)
            if limit is not None:
                es = self.slots.get(ES, self.slots.get(SNP, 0))
                lines += [f'<maxGuests>{limit}</maxGuests>']
                lines += [f'<maxESGuests>{es}</maxESGuests>']
            lines += ['</sev>']
        if SNP in self.slots:
            lines += [
                "<launchSecurity supported='yes'><enum name='sectype'>"
                '<value>sev</value><value>sev-snp</value>'
                '</enum></launchSecurity>'
            ]
        if TDX in self.slots:
            lines += ["<tdx supported='yes'/>"]
        return f'<features>{"".join(lines)}</features>'

    def kernel_offers(self, technology: str) -> bool:
        """Whether kvm_amd has ``sev``, ``sev-es`` or ``sev-snp`` on."""
        if technology == 'sev':
            return bool(set(self.slots) & {SEV, ES, SNP})
        return f'amd-{technology}' in self.slots


class HostsFixture(fixtures.Fixture):
    """Have nova ask each host's own facts."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.local()

    def setUp(self) -> None:
        super().setUp()
        self._patch(
            'nova.virt.libvirt.host.Host._kernel_supports_amd_sev',
            lambda host, model='sev': _facts(host).kernel_offers(model),
        )
        self._patch(
            'nova.virt.libvirt.utils.get_default_machine_type',
            functools.partial(
                self._default_machine_type,
                libvirt_utils.get_default_machine_type,
            ),
        )
        for name in ('spawn', 'finish_migration', '_get_guest_config'):
            self._on_its_host(name)
        if KNOWS_SNP:
            self._patch(
                'nova.virt.libvirt.host.Host._get_tdx_capacity',
                lambda host: _facts(host).slots.get(TDX, 0),
            )
        # Disks are files, and guests of fake libvirt have none.
        self._patch(
            'nova.virt.libvirt.driver.LibvirtDriver.migrate_disk_and_power_off',
            lambda *args, **kwargs: '{}',
        )
        if NESTED:
            self._keep_flat_hosts_flat()

    def _patch(self, name: str, new: Any) -> None:
        self.useFixture(fixtures.MonkeyPatch(name, new))

    def _default_machine_type(self, nova: Any, arch: str) -> str | None:
        facts = getattr(self._thread, 'facts', None)
        if facts is not None and arch == 'x86_64':
            return facts.machine_type
        return nova(arch)

    def _on_its_host(self, name: str) -> None:
        """Let a driver's method find its own host's default."""
        original = getattr(driver.LibvirtDriver, name)

        @functools.wraps(original)
        def method(self_: Any, *args: Any, **kwargs: Any) -> Any:
            facts = _facts(self_._host)
            facts.spawns += name == 'spawn'
            with self._on(facts):
                result = original(self_, *args, **kwargs)
            if name == '_get_guest_config':
                facts.encrypted[args[0].uuid] = bool(result.launch_security)
            return result

        self._patch(f'nova.virt.libvirt.driver.LibvirtDriver.{name}', method)

    @contextlib.contextmanager
    def _on(self, facts: HostFacts) -> Iterator[None]:
        before = getattr(self._thread, 'facts', None)
        self._thread.facts = facts
        try:
            yield
        finally:
            self._thread.facts = before

    def _keep_flat_hosts_flat(self) -> None:
        """Have them report as nova 31 does."""
        cls = driver.LibvirtDriver
        nest = cls._update_provider_tree_for_memory_encryption
        update_all = cls.update_provider_tree

        def update_slots(
            self_: Any, tree: Any, node: str, allocations: Any
        ) -> None:
            if not _facts(self_._host).flat:
                nest(self_, tree, node, allocations)

        def update(
            self_: Any, tree: Any, node: str, allocations: Any = None
        ) -> None:
            update_all(self_, tree, node, allocations)
            facts = _facts(self_._host)
            if facts.flat:
                slots = {
                    'total': facts.slots[SEV],
                    'min_unit': 1,
                    'max_unit': 1,
                    'step_size': 1,
                    'allocation_ratio': 1.0,
                    'reserved': 0,
                }
                inventory = {**tree.data(node).inventory, SLOT: slots}
                tree.update_inventory(node, inventory)
                tree.add_traits(node, os_traits.HW_CPU_X86_AMD_SEV)

        driver_path = 'nova.virt.libvirt.driver.LibvirtDriver'
        self._patch(f'{driver_path}.{nest.__name__}', update_slots)
        self._patch(f'{driver_path}.update_provider_tree', update)


def _facts(libvirt_host: Any) -> HostFacts:
    return libvirt_host.get_connection().facts
