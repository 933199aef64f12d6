"""Situations: a flavor, an image, a cloud, and what is told of them.

On the real Placement. Each fix is applied to what it is about and the same is
asked again: the problem is gone, and no other has come in its place.
"""

# ruff: noqa: E501 (a fix is one command)

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pytest

from sev_scheduling import (
    Explanation,
    NoCapacity,
    explain,
    parse,
    validate,
)
from sev_scheduling.cli.commands.explain import Explain, _tenant_rows
from sev_scheduling.diagnosis import Feasibility, Limit, Matter
from sev_scheduling.explain.host_rows import host_rows
from sev_scheduling.explain.reason.reason import Reason
from sev_scheduling.prefilter import Scope
from sev_scheduling.problems import Caveat, Fix, Target
from sev_scheduling.rules.validation import Validation
from tests.contract.placement.conftest import World
from tests.contract.placement.requests import host
from tests.unit.factories import ON, READY

SWITCH, MODEL = 'hw:mem_encryption', 'hw:mem_encryption_model'
STATELESS = 'COMPUTE_SECURITY_STATELESS_FIRMWARE'
SECURE_BOOT = 'COMPUTE_SECURITY_UEFI_SECURE_BOOT'
UEFI = {'hw_firmware_type': 'uefi'}
Q35 = {**UEFI, 'hw_machine_type': 'q35'}
TDX = {**READY, 'os_secure_boot': 'required'}
SLOTS = {'total': 15}
#: What Placement knows beside the names that hosts have.
KNOWN = (
    '/traits/CUSTOM_GOLD',
    '/traits/CUSTOM_OLD',
    '/traits/CUSTOM_NO',
    '/resource_classes/CUSTOM_FPGA',
    '/resource_classes/CUSTOM_PMEM_NAMESPACE_6GB',
)
FULL = {'total': 15, 'used': 15}
PC = {'x86_64': 'pc-i440fx-8.2'}


class Told(NamedTuple):
    """What is told.

    :ivar first: the first line, for operators
    :ivar codes: of all reasons and warnings, the first one first
    :ivar tenant: what a tenant can change, of the first one that has it
    :ivar operator: what operators can do in place of that
    """

    first: str
    codes: tuple[str, ...]
    tenant: tuple[str, ...] = ()
    operator: tuple[str, ...] = ()


@dataclass(frozen=True)
class Situation:
    """A flavor, an image and a cloud.

    :ivar more: traits and amounts that hosts get beside their entries
    :ivar providers: those of a cloud file that has no hosts but these
    """

    extra_specs: dict[str, str]
    properties: dict[str, str]
    hosts: list[dict[str, Any]]
    models: tuple[str, ...] = ()
    ram: int = 1024
    disk: int = 10
    count: int = 1
    more: tuple[tuple[str, int], ...] = ()
    providers: tuple[dict[str, Any], ...] = ()

    def validation(self) -> Validation:
        request = parse(
            {
                'name': 'm1',
                'vcpus': 2,
                'ram': self.ram,
                'disk': self.disk,
                'extra_specs': self.extra_specs,
            },
            {'name': 'u', **self.properties},
            models=self.models,
        )
        return validate(request)


class Cloud:
    """The real Placement; what it says of a situation is found once."""

    def __init__(self, adapter: Any) -> None:
        self.world = World(adapter)
        self.client: Any = None
        self.held = ''
        self.found: dict[str, list[Explanation]] = {}
        self.answers: dict[str, Feasibility] = {}

    def load(self, situation: Situation) -> None:
        """Hold a situation's hosts."""
        hosts = repr((situation.hosts, situation.more, situation.providers))
        if hosts == self.held:
            return
        self.client = self.world.load(
            *copy.deepcopy(situation.hosts),
            providers=copy.deepcopy(situation.providers),
        )
        for name in KNOWN:
            self.world.ask('PUT', name)
        for entry in situation.hosts:
            for name, amount in situation.more:
                if name.startswith('CUSTOM_'):
                    self.world.ask('PUT', f'/resource_classes/{name}')
                self.world.inventory(entry['name'], name, total=amount)
        self.held = hosts

    def feasibility(self, situation: Situation) -> Feasibility:
        """Return the answer of hosts to a request without errors."""
        name = repr(situation)
        if name not in self.answers:
            self.load(situation)
            self.answers[name] = self.client.feasibility(
                situation.validation(), count=situation.count
            )
        return self.answers[name]

    def explanations(self, situation: Situation) -> list[Explanation]:
        """Return all that there is to say, an error of the request first."""
        name = repr(situation)
        if name not in self.found:
            validation = situation.validation()
            found = [explain(validation)]
            if not validation.errors:
                found.insert(0, explain(self.feasibility(situation)))
            self.found[name] = found
        return self.found[name]

    def ask(self, situation: Situation) -> Told:
        found = self.explanations(situation)
        reasons = [reason for one in found for reason in one.reasons]
        first = found[0] if found[0].reasons else found[-1]
        changes = first.reasons[0].changes if first.reasons else ()
        of_hosts = first.reasons[0].of_hosts if first.reasons else ()
        return Told(
            first.headline,
            tuple(str(reason.code) for reason in reasons),
            tuple(map(told, changes)),
            tuple(map(told, of_hosts)),
        )

    def first_reason(self, situation: Situation) -> Reason | None:
        for one in self.explanations(situation):
            if one.reasons:
                return one.reasons[0]
        return None


@pytest.fixture(scope='module')
def cloud(service):
    return Cloud(service)


def told(fix: Fix) -> str:
    """Return a fix as data on one line."""
    one = replace(fix, alternatives=())
    if one.target is Target.HOST:
        text = ', '.join(f'{k}={v}' for k, v in one.set.items())
    else:
        text = one.command() or ' '.join((str(one.advice), *one.values))
    return ' | '.join((text, *map(told, fix.alternatives)))


AGGREGATE = '3fd1e6a2-0000-4000-8000-00000000000a'


def sharing(disk: int, *hosts: str, **used: int) -> tuple[dict[str, Any], ...]:
    """Return hosts that have their disks of one provider."""
    share = ['MISC_SHARES_VIA_AGGREGATE']
    found: list[dict[str, Any]] = [
        {
            'name': 'ceph',
            'inventories': {'DISK_GB': {'total': disk}},
            'used': {'DISK_GB': used.get('ceph', 0)},
            'traits': share,
            'aggregates': [AGGREGATE],
        }
    ]
    for name in hosts:
        found += [
            {
                'name': name,
                'inventories': {
                    'VCPU': {'total': 64},
                    'MEMORY_MB': {'total': 65536},
                },
                'traits': ['COMPUTE_NODE'],
                'aggregates': [AGGREGATE],
            },
            {
                'name': f'{name}_sev',
                'parent': name,
                'inventories': {
                    'MEM_ENCRYPTION_CONTEXT': {'total': 15, 'max_unit': 1}
                },
                'used': {'MEM_ENCRYPTION_CONTEXT': used.get(name, 0)},
                'traits': ['HW_CPU_X86_AMD_SEV'],
            },
        ]
    return tuple(found)


#: A host whose memory is all in use, and that has a small disk.
CROWDED: tuple[dict[str, Any], ...] = (
    {
        'name': 'a',
        'inventories': {
            'VCPU': {'total': 64},
            'MEMORY_MB': {'total': 65536},
            'DISK_GB': {'total': 20},
        },
        'used': {'MEMORY_MB': 65536},
        'traits': ['COMPUTE_NODE'],
    },
    {
        'name': 'a_sev',
        'parent': 'a',
        'inventories': {'MEM_ENCRYPTION_CONTEXT': {'total': 15}},
        'traits': ['HW_CPU_X86_AMD_SEV'],
    },
)
#: Two request groups for one class.
GROUPS = {**ON, 'resources1:CUSTOM_FPGA': '1', 'resources2:CUSTOM_FPGA': '1'}
#: What is asked -> the situation, and what is told.
SITUATIONS = {
    'nobody asks for encryption': (
        Situation({}, {}, [host()]),
        Told(
            first='The guest will not be encrypted: neither flavor m1 nor image u asks for it.',
            codes=(),
            tenant=(),
            operator=(),
        ),
    ),
    'a key is misspelt': (
        Situation({'hw:mem_encrypton': 'true'}, {}, [host()]),
        Told(
            first='The guest will not be encrypted: neither flavor m1 nor image u asks for it. Flavor m1 has a warning:',
            codes=('misspelt-key',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption=true m1',
            ),
            operator=(),
        ),
    ),
    'the image is a plain one': (
        Situation(ON, {}, [host()]),
        Told(
            first='m1 asks for amd-sev. Image u is not ready for it:',
            codes=('firmware-not-uefi', 'machine-type-unset'),
            tenant=('openstack image set --property hw_firmware_type=uefi u',),
            operator=(),
        ),
    ),
    'the image boots with BIOS': (
        Situation(ON, {**Q35, 'hw_firmware_type': 'bios'}, [host()]),
        Told(
            first='m1 asks for amd-sev. Image u is not ready for it:',
            codes=('firmware-not-uefi',),
            tenant=('openstack image set --property hw_firmware_type=uefi u',),
            operator=(),
        ),
    ),
    'the machine type is pc': (
        Situation(ON, {**Q35, 'hw_machine_type': 'pc'}, [host()]),
        Told(
            first='m1 asks for amd-sev. Image u is not ready for it:',
            codes=('machine-type-not-q35',),
            tenant=('openstack image set --property hw_machine_type=q35 u',),
            operator=(),
        ),
    ),
    'the architecture is another': (
        Situation(ON, {**Q35, 'hw_architecture': 'aarch64'}, [host()]),
        Told(
            first='m1 asks for amd-sev. Image u is not ready for it:',
            codes=('architecture-unsupported',),
            tenant=('another-architecture x86_64',),
            operator=(),
        ),
    ),
    'the disk is on IDE': (
        Situation(ON, {**Q35, 'hw_disk_bus': 'ide'}, [host()]),
        Told(
            first='m1 asks for amd-sev. Image u is not ready for it:',
            codes=('disk-bus-unsupported',),
            tenant=('openstack image set --property hw_disk_bus=virtio u',),
            operator=(),
        ),
    ),
    'the SCSI controller is another': (
        Situation(
            ON,
            {**Q35, 'hw_disk_bus': 'scsi', 'hw_scsi_model': 'lsilogic'},
            [host()],
        ),
        Told(
            first='m1 asks for amd-sev. Image u is not ready for it:',
            codes=('disk-bus-unsupported',),
            tenant=(
                'openstack image set --property hw_scsi_model=virtio-scsi u',
            ),
            operator=(),
        ),
    ),
    'the CD-ROM is on IDE': (
        Situation(ON, {**Q35, 'hw_cdrom_bus': 'ide'}, [host()]),
        Told(
            first='m1 asks for amd-sev. Image u is not ready for it:',
            codes=('cdrom-bus-unsupported',),
            tenant=('openstack image set --property hw_cdrom_bus=sata u',),
            operator=(),
        ),
    ),
    'neither yes nor no': (
        Situation({SWITCH: 'maybe'}, Q35, [host()]),
        Told(
            first='Flavor m1 cannot be used as it is:',
            codes=('invalid-boolean',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption=true m1',
            ),
            operator=(),
        ),
    ),
    'disabled is no boolean': (
        Situation({SWITCH: 'disabled'}, Q35, [host()]),
        Told(
            first='Flavor m1 cannot be used as it is:',
            codes=('invalid-boolean',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption=false m1',
            ),
            operator=(),
        ),
    ),
    'flavor and image say the opposite': (
        Situation(ON, {**Q35, 'hw_mem_encryption': 'false'}, [host()]),
        Told(
            first='m1 asks for amd-sev. Image u is not ready for it:',
            codes=('encryption-conflict',),
            tenant=(
                'openstack image set --property hw_mem_encryption=true u | openstack flavor set --property hw:mem_encryption=false m1',
            ),
            operator=(),
        ),
    ),
    'a model by its short name': (
        Situation(
            {**ON, MODEL: 'sev-snp'},
            READY,
            [host(pools={'amd-sev-snp': SLOTS}, traits=[STATELESS])],
        ),
        Told(
            first='m1 asks for sev-snp. Flavor m1 is not ready for it:',
            codes=('unknown-model',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption_model=amd-sev-snp m1',
            ),
            operator=(),
        ),
    ),
    'a model that nobody knows': (
        Situation({**ON, MODEL: 'zebra'}, READY, [host()]),
        Told(
            first='m1 asks for zebra. Flavor m1 is not ready for it:',
            codes=('unknown-model',),
            tenant=('another-model amd-sev amd-sev-es amd-sev-snp intel-tdx',),
            operator=(),
        ),
    ),
    'flavor and image name two models': (
        Situation(
            {**ON, MODEL: 'amd-sev'},
            {**READY, 'hw_mem_encryption_model': 'amd-sev-snp'},
            [host()],
        ),
        Told(
            first='m1 asks for amd-sev. Image u is not ready for it:',
            codes=('model-conflict',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption_model=amd-sev-snp m1 | openstack image set --property hw_mem_encryption_model=amd-sev u',
            ),
            operator=(),
        ),
    ),
    'a model, and no encryption': (
        Situation({MODEL: 'amd-sev'}, {}, [host()]),
        Told(
            first='The guest will not be encrypted: neither flavor m1 nor image u asks for it. Flavor m1 has a warning:',
            codes=('model-without-encryption',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption=true m1',
            ),
            operator=(),
        ),
    ),
    'the caller would take a model, and nobody asks': (
        Situation({}, {}, [host()], models=('amd-sev-snp',)),
        Told(
            first='The guest will not be encrypted: neither flavor m1 nor image u asks for it. The request has a warning:',
            codes=('model-without-encryption',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption=true m1',
            ),
            operator=(),
        ),
    ),
    'SEV-SNP without stateless firmware': (
        Situation(
            {**ON, MODEL: 'amd-sev-snp'},
            Q35,
            [host(pools={'amd-sev-snp': SLOTS}, traits=[STATELESS])],
        ),
        Told(
            first='m1 asks for amd-sev-snp. Image u is not ready for it:',
            codes=('firmware-not-stateless',),
            tenant=(
                'openstack image set --property hw_firmware_stateless=true u',
            ),
            operator=(),
        ),
    ),
    'TDX with a video device': (
        Situation(
            {**ON, MODEL: 'intel-tdx'},
            {**TDX, 'hw_video_model': 'vga'},
            [
                host(
                    pools={'intel-tdx': SLOTS}, traits=[STATELESS, SECURE_BOOT]
                )
            ],
        ),
        Told(
            first='m1 asks for intel-tdx. Image u is not ready for it:',
            codes=('video-device-present',),
            tenant=('openstack image set --property hw_video_model=none u',),
            operator=(),
        ),
    ),
    'SEV with Secure Boot': (
        Situation(
            ON,
            {**Q35, 'os_secure_boot': 'required'},
            [host(traits=[SECURE_BOOT])],
        ),
        Told(
            first='m1 asks for amd-sev. Nothing in flavor and image is against encryption.',
            codes=(),
            tenant=(),
            operator=(),
        ),
    ),
    'a trait of a stronger model': (
        Situation(
            {**ON, 'trait:HW_CPU_X86_AMD_SEV_SNP': 'required'},
            READY,
            [host(pools={'amd-sev-snp': SLOTS}, traits=[STATELESS])],
        ),
        Told(
            first='m1 asks for amd-sev. Flavor m1 is not ready for it:',
            codes=('trait-conflict',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption_model=amd-sev-snp m1 | openstack flavor unset --property trait:HW_CPU_X86_AMD_SEV_SNP m1',
            ),
            operator=(),
        ),
    ),
    'a trait of a weaker model': (
        Situation(
            {
                **ON,
                MODEL: 'amd-sev-snp',
                'trait:HW_CPU_X86_AMD_SEV': 'required',
            },
            READY,
            [host(pools={'amd-sev-snp': SLOTS}, traits=[STATELESS])],
        ),
        Told(
            first='m1 asks for amd-sev-snp. Flavor m1 is not ready for it:',
            codes=('trait-conflict',),
            tenant=(
                'openstack flavor unset --property trait:HW_CPU_X86_AMD_SEV m1'
                ' | openstack flavor set --property '
                'hw:mem_encryption_model=amd-sev m1',
            ),
            operator=(),
        ),
    ),
    "the model's own trait is forbidden": (
        Situation(
            {**ON, 'trait:HW_CPU_X86_AMD_SEV': 'forbidden'}, Q35, [host()]
        ),
        Told(
            first='m1 asks for amd-sev. Flavor m1 is not ready for it:',
            codes=('trait-conflict',),
            tenant=(
                'openstack flavor unset --property trait:HW_CPU_X86_AMD_SEV m1',
            ),
            operator=(),
        ),
    ),
    "a model's trait without encryption": (
        Situation({'trait:HW_CPU_X86_AMD_SEV': 'required'}, {}, [host()]),
        Told(
            first='0 of 1 host can run this unencrypted guest:',
            codes=('trait', 'trait-without-encryption'),
            tenant=(
                'openstack flavor unset --property trait:HW_CPU_X86_AMD_SEV m1',
            ),
            operator=('use-hosts-with HW_CPU_X86_AMD_SEV',),
        ),
    ),
    'a slot is counted twice': (
        Situation(
            {**ON, 'resources:MEM_ENCRYPTION_CONTEXT': '1'}, Q35, [host()]
        ),
        Told(
            first='m1 asks for amd-sev. Flavor m1 is not ready for it:',
            codes=('explicit-slot',),
            tenant=(
                'openstack flavor unset --property resources:MEM_ENCRYPTION_CONTEXT m1',
            ),
            operator=(),
        ),
    ),
    'a PCI device': (
        Situation({**ON, 'pci_passthrough:alias': 'gpu:1'}, Q35, [host()]),
        Told(
            first='m1 asks for amd-sev. Flavor m1 is not ready for it:',
            codes=('host-device',),
            tenant=(
                'openstack flavor unset --property pci_passthrough:alias m1',
            ),
            operator=(),
        ),
    ),
    'a virtual GPU': (
        Situation({**ON, 'resources:VGPU': '1'}, Q35, [host()]),
        Told(
            first='m1 asks for amd-sev. Flavor m1 is not ready for it:',
            codes=('host-device',),
            tenant=('openstack flavor unset --property resources:VGPU m1',),
            operator=(),
        ),
    ),
    'a trait that does not exist': (
        Situation({**ON, 'trait:NOBODY': 'required'}, Q35, [host()]),
        Told(
            first='m1 asks for amd-sev. Flavor m1 is not ready for it:',
            codes=('invalid-resource-request',),
            tenant=(
                'openstack flavor unset --property trait:NOBODY m1 | correct-trait',
            ),
            operator=(),
        ),
    ),
    'an amount that is none': (
        Situation({**ON, 'resources:CUSTOM_A': 'many'}, Q35, [host()]),
        Told(
            first='m1 asks for amd-sev. Nothing in flavor and image is against encryption. Flavor m1 has a warning:',
            codes=('invalid-resource-request',),
            tenant=(
                'openstack flavor unset --property resources:CUSTOM_A m1 | correct-amount 0 2147483647',
            ),
            operator=(),
        ),
    ),
    'several things at once': (
        Situation(
            {**ON, 'pci_passthrough:alias': 'gpu:1'},
            {'hw_firmware_type': 'bios', 'hw_disk_bus': 'ide'},
            [host()],
        ),
        Told(
            first='m1 asks for amd-sev. Image u is not ready for it:',
            codes=(
                'firmware-not-uefi',
                'disk-bus-unsupported',
                'host-device',
                'machine-type-unset',
            ),
            tenant=('openstack image set --property hw_firmware_type=uefi u',),
            operator=(),
        ),
    ),
    'every host will do': (
        Situation(ON, Q35, [host('a'), host('b')]),
        Told(
            first='m1 asks for amd-sev. Nothing in flavor and image is against encryption.',
            codes=(),
            tenant=(),
            operator=(),
        ),
    ),
    'one host will do': (
        Situation(
            ON,
            Q35,
            [
                host('a'),
                host('b', pools={}),
                host('c', pools={'amd-sev': FULL}),
            ],
        ),
        Told(
            first='1 of 3 hosts can run this amd-sev guest:',
            codes=('no-pool', 'no-free-slot'),
            tenant=(),
            operator=(),
        ),
    ),
    'the hosts default to q35': (
        Situation(ON, UEFI, [host(machine_types={'x86_64': 'q35'})]),
        Told(
            first='m1 asks for amd-sev. Nothing in flavor and image is against encryption. Image u has a warning:',
            codes=('machine-type-unset',),
            tenant=(
                'openstack image set --property hw_machine_type=q35 u | [libvirt] hw_machine_type=x86_64=q35',
            ),
            operator=(),
        ),
    ),
    'the hosts default to pc': (
        Situation(ON, UEFI, [host(machine_types=PC)]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('machine-type-not-q35', 'machine-type-unset'),
            tenant=('openstack image set --property hw_machine_type=q35 u',),
            operator=('[libvirt] hw_machine_type=x86_64=q35',),
        ),
    ),
    'the hosts do not tell their default': (
        Situation(ON, UEFI, [host()]),
        Told(
            first='m1 asks for amd-sev. Nothing in flavor and image is against encryption. Image u has a warning:',
            codes=('machine-type-unset',),
            tenant=(
                'openstack image set --property hw_machine_type=q35 u | [libvirt] hw_machine_type=x86_64=q35',
            ),
            operator=(),
        ),
    ),
    'all slots are taken': (
        Situation(
            ON,
            Q35,
            [
                host('a', pools={'amd-sev': FULL}),
                host('b', pools={'amd-sev': FULL}),
            ],
        ),
        Told(
            first='0 of 2 hosts can run this amd-sev guest:',
            codes=('no-free-slot',),
            tenant=(),
            operator=(),
        ),
    ),
    'all slots are reserved': (
        Situation(
            ON, Q35, [host(pools={'amd-sev': {'total': 4, 'reserved': 4}})]
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('no-pool',),
            tenant=(),
            operator=(),
        ),
    ),
    'no host has any slots': (
        Situation(ON, Q35, [host(pools={})]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('no-pool',),
            tenant=(),
            operator=(),
        ),
    ),
    'the cloud offers TDX alone': (
        Situation(
            ON,
            TDX,
            [
                host(
                    pools={'intel-tdx': SLOTS}, traits=[STATELESS, SECURE_BOOT]
                )
            ],
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('no-pool',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption_model=intel-tdx m1',
            ),
            operator=(),
        ),
    ),
    'the image is not ready for the one model that is offered': (
        Situation(
            ON,
            Q35,
            [host(pools={'amd-sev-snp': SLOTS}, traits=[STATELESS])],
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('no-pool',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption_model=amd-sev-snp m1',
                'openstack image set --property hw_firmware_stateless=true u',
            ),
            operator=(),
        ),
    ),
    'the model that is offered takes no Secure Boot': (
        Situation(
            ON,
            {**Q35, 'os_secure_boot': 'required'},
            [host(pools={'amd-sev-es': SLOTS}, traits=[SECURE_BOOT])],
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('no-pool',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption_model=amd-sev-es m1',
                'openstack image unset --property os_secure_boot u',
            ),
            operator=(),
        ),
    ),
    'some hosts will do, and the others offer another model': (
        Situation(ON, Q35, [host('a'), host('b', pools={'intel-tdx': SLOTS})]),
        Told(
            first='1 of 2 hosts can run this amd-sev guest:',
            codes=('no-pool',),
            tenant=(),
            operator=(),
        ),
    ),
    'the cloud offers two other models': (
        Situation(
            {**ON, MODEL: 'amd-sev-es'},
            {**TDX, 'os_secure_boot': 'optional'},
            [
                host(
                    'a',
                    pools={'intel-tdx': SLOTS},
                    traits=[STATELESS, SECURE_BOOT],
                ),
                host('b', pools={'amd-sev': SLOTS}),
            ],
        ),
        Told(
            first='0 of 2 hosts can run this amd-sev-es guest:',
            codes=('no-pool', 'secure-boot-unsupported'),
            tenant=(
                'openstack flavor set --property hw:mem_encryption_model=intel-tdx m1',
            ),
            operator=(),
        ),
    ),
    'the image asks for no Secure Boot, which the one model offered wants': (
        Situation(
            ON,
            Q35,
            [
                host(
                    pools={'intel-tdx': SLOTS}, traits=[STATELESS, SECURE_BOOT]
                )
            ],
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('no-pool',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption_model=intel-tdx m1',
                'openstack image set --property hw_firmware_stateless=true --property hw_video_model=none --property os_secure_boot=required u',
            ),
            operator=(),
        ),
    ),
    'hosts of the one model offered lack what it needs': (
        Situation(ON, Q35, [host(pools={'intel-tdx': SLOTS})]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('no-pool',),
            tenant=(),
            operator=(),
        ),
    ),
    'the one model offered needs what is no help to the one wanted': (
        Situation(
            {**ON, MODEL: 'amd-sev-es'},
            READY,
            [host(pools={'amd-sev-snp': SLOTS, 'amd-sev-es': SLOTS})],
        ),
        Told(
            first='0 of 1 host can run this amd-sev-es guest:',
            codes=('excluded-by-model',),
            tenant=(),
            operator=(),
        ),
    ),
    'all slots of the model that excludes another are taken': (
        Situation(
            {**ON, MODEL: 'amd-sev-es'},
            READY,
            [
                host(
                    pools={'amd-sev-snp': FULL, 'amd-sev-es': SLOTS},
                    traits=[STATELESS],
                )
            ],
        ),
        Told(
            first='0 of 1 host can run this amd-sev-es guest:',
            codes=('excluded-by-model',),
            tenant=(),
            operator=(),
        ),
    ),
    'the one model offered is on hosts that are too small': (
        Situation(
            ON,
            READY,
            [host(pools={'amd-sev-es': SLOTS}, memory_mb=100)],
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('no-pool',),
            tenant=(),
            operator=(),
        ),
    ),
    'the cloud offers a weaker model': (
        Situation(
            {**ON, MODEL: 'amd-sev-snp'}, READY, [host(traits=[STATELESS])]
        ),
        Told(
            first='0 of 1 host can run this amd-sev-snp guest:',
            codes=('no-pool',),
            tenant=(),
            operator=(),
        ),
    ),
    'nova removed the SEV-ES pools of SEV-SNP hosts': (
        Situation(
            {**ON, MODEL: 'amd-sev-es'},
            READY,
            [host(pools={'amd-sev-snp': SLOTS}, traits=[STATELESS])],
        ),
        Told(
            first='0 of 1 host can run this amd-sev-es guest:',
            codes=('no-pool',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption_model=amd-sev-snp m1',
            ),
            operator=(),
        ),
    ),
    'SEV-ES beside SEV-SNP': (
        Situation(
            {**ON, MODEL: 'amd-sev-es'},
            READY,
            [
                host(
                    pools={'amd-sev-snp': SLOTS, 'amd-sev-es': SLOTS},
                    traits=[STATELESS],
                )
            ],
        ),
        Told(
            first='0 of 1 host can run this amd-sev-es guest:',
            codes=('excluded-by-model',),
            tenant=(
                'openstack flavor set --property hw:mem_encryption_model=amd-sev-snp m1',
            ),
            operator=(),
        ),
    ),
    'the hosts are disabled': (
        Situation(ON, Q35, [host(traits=['COMPUTE_STATUS_DISABLED'])]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('host-disabled',),
            tenant=(),
            operator=(),
        ),
    ),
    'memory is overcommitted': (
        Situation(ON, Q35, [host(ram_allocation_ratio=1.5)]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('memory-overcommitted',),
            tenant=(),
            operator=('ram_allocation_ratio=1.0',),
        ),
    ),
    'memory is short, and elsewhere overcommitted': (
        Situation(
            ON,
            Q35,
            [host('a'), host('b', ram_allocation_ratio=1.5)],
            ram=99999,
        ),
        Told(
            first='0 of 2 hosts can run this amd-sev guest:',
            codes=('resources-short', 'memory-overcommitted'),
            tenant=(),
            operator=(),
        ),
    ),
    'no host with a free slot has pinned CPUs, nor has any other': (
        Situation(
            {**ON, 'hw:cpu_policy': 'dedicated'},
            Q35,
            [host('a'), host('b', pools={'amd-sev': FULL})],
        ),
        Told(
            first='0 of 2 hosts can run this amd-sev guest:',
            codes=('resources-short', 'no-free-slot'),
            tenant=('openstack flavor unset --property hw:cpu_policy m1',),
            operator=('use-hosts-with PCPU',),
        ),
    ),
    'all slots are taken, and no host has pinned CPUs': (
        Situation(
            {**ON, 'hw:cpu_policy': 'dedicated'},
            Q35,
            [host(pools={'amd-sev': FULL})],
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('several',),
            tenant=(),
            operator=('use-hosts-with PCPU',),
        ),
    ),
    'a TPM that no host has': (
        Situation(ON, {**Q35, 'hw_tpm_version': '2.0'}, [host()]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('trait',),
            tenant=('openstack image unset --property hw_tpm_version u',),
            operator=(
                'use-hosts-with COMPUTE_SECURITY_TPM_2_0 COMPUTE_SECURITY_TPM_TIS',
            ),
        ),
    ),
    'a TPM by flavor and model': (
        Situation(
            {**ON, 'hw:tpm_version': '2.0', 'hw:tpm_model': 'tpm-crb'},
            Q35,
            [host()],
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('trait',),
            tenant=(
                'openstack flavor unset --property hw:tpm_version m1',
                'openstack flavor unset --property hw:tpm_model m1',
            ),
            operator=(
                'use-hosts-with COMPUTE_SECURITY_TPM_2_0 COMPUTE_SECURITY_TPM_CRB',
            ),
        ),
    ),
    'Secure Boot for TDX that no host has': (
        Situation(
            {**ON, MODEL: 'intel-tdx'},
            TDX,
            [host(pools={'intel-tdx': SLOTS}, traits=[STATELESS])],
        ),
        Told(
            first='0 of 1 host can run this intel-tdx guest:',
            codes=('trait',),
            tenant=(),
            operator=('use-hosts-with COMPUTE_SECURITY_UEFI_SECURE_BOOT',),
        ),
    ),
    'stateless firmware for SEV-SNP that no host has': (
        Situation(
            {**ON, MODEL: 'amd-sev-snp'},
            READY,
            [host(pools={'amd-sev-snp': SLOTS})],
        ),
        Told(
            first='0 of 1 host can run this amd-sev-snp guest:',
            codes=('trait',),
            tenant=(),
            operator=('use-hosts-with COMPUTE_SECURITY_STATELESS_FIRMWARE',),
        ),
    ),
    'stateless firmware that SEV could do without': (
        Situation(ON, {**Q35, 'hw_firmware_stateless': 'true'}, [host()]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('trait',),
            tenant=(
                'openstack image unset --property hw_firmware_stateless u',
            ),
            operator=('use-hosts-with COMPUTE_SECURITY_STATELESS_FIRMWARE',),
        ),
    ),
    'a trait that no host has': (
        Situation({**ON, 'trait:CUSTOM_GOLD': 'required'}, Q35, [host()]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('trait',),
            tenant=('openstack flavor unset --property trait:CUSTOM_GOLD m1',),
            operator=('use-hosts-with CUSTOM_GOLD',),
        ),
    ),
    'a trait that Placement does not know': (
        Situation({**ON, 'trait:CUSTOM_SILVER': 'required'}, Q35, [host()]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('unknown-name',),
            tenant=(
                'openstack flavor unset --property trait:CUSTOM_SILVER m1',
            ),
            operator=(),
        ),
    ),
    'a trait that is nearly one that Placement knows': (
        Situation(
            {**ON, 'trait:CUSTOM_GOLDE': 'required'},
            Q35,
            [host(traits=['CUSTOM_GOLD'])],
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('unknown-name',),
            tenant=(
                'openstack flavor set --property trait:CUSTOM_GOLD=required m1',
                'openstack flavor unset --property trait:CUSTOM_GOLDE m1',
            ),
            operator=(),
        ),
    ),
    'the image forbids a trait that Placement does not know': (
        Situation(
            ON,
            {**Q35, 'trait:CUSTOM_SILVER': 'forbidden'},
            [host('a'), host('b', pools={'amd-sev': FULL})],
        ),
        Told(
            first='0 of 2 hosts can run this amd-sev guest:',
            codes=('unknown-name', 'no-free-slot'),
            tenant=('openstack image unset --property trait:CUSTOM_SILVER u',),
            operator=(),
        ),
    ),
    'a resource class that Placement does not know': (
        Situation({**ON, 'resources:CUSTOM_TAPE': '1'}, Q35, [host()]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('unknown-name',),
            tenant=(
                'openstack flavor unset --property resources:CUSTOM_TAPE m1',
            ),
            operator=(),
        ),
    ),
    'a group with a trait and a class that are nearly known': (
        Situation(
            {
                **ON,
                'resources1:CUSTOM_FPGAS': '1',
                'trait1:CUSTOM_OLDER': 'forbidden',
            },
            Q35,
            [host()],
            more=(('CUSTOM_FPGA', 1),),
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('unknown-name',),
            tenant=(
                'openstack flavor set --property resources1:CUSTOM_FPGA=1 m1',
                'openstack flavor unset --property resources1:CUSTOM_FPGAS m1',
                'openstack flavor set --property trait1:CUSTOM_OLD=forbidden m1',
                'openstack flavor unset --property trait1:CUSTOM_OLDER m1',
            ),
            operator=(),
        ),
    ),
    'a guest without encryption asks for an unknown trait': (
        Situation({'trait:CUSTOM_SILVER': 'required'}, {}, [host()]),
        Told(
            first='0 of 1 host can run this unencrypted guest:',
            codes=('unknown-name',),
            tenant=(
                'openstack flavor unset --property trait:CUSTOM_SILVER m1',
            ),
            operator=(),
        ),
    ),
    'an unknown trait, where no host has slots': (
        Situation(
            {**ON, 'trait:CUSTOM_SILVER': 'required'}, Q35, [host(pools={})]
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('unknown-name', 'no-pool'),
            tenant=(
                'openstack flavor unset --property trait:CUSTOM_SILVER m1',
            ),
            operator=(),
        ),
    ),
    'a trait of the image that no host has': (
        Situation(ON, {**Q35, 'trait:CUSTOM_GOLD': 'required'}, [host()]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('trait',),
            tenant=('openstack image unset --property trait:CUSTOM_GOLD u',),
            operator=('use-hosts-with CUSTOM_GOLD',),
        ),
    ),
    'a trait that every host has, forbidden': (
        Situation(
            {**ON, 'trait:CUSTOM_OLD': 'forbidden'},
            Q35,
            [host(traits=['CUSTOM_OLD'])],
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('trait',),
            tenant=('openstack flavor unset --property trait:CUSTOM_OLD m1',),
            operator=(),
        ),
    ),
    'threads of their own, where hosts have siblings': (
        Situation(
            {**ON, 'hw:cpu_thread_policy': 'isolate'},
            Q35,
            [host(traits=['HW_CPU_HYPERTHREADING'])],
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('trait',),
            tenant=(
                'openstack flavor unset --property hw:cpu_thread_policy m1',
            ),
            operator=(),
        ),
    ),
    'wide addresses': (
        Situation({**ON, 'hw:maxphysaddr_mode': 'emulate'}, Q35, [host()]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('trait',),
            tenant=(
                'openstack flavor unset --property hw:maxphysaddr_mode m1',
            ),
            operator=('use-hosts-with COMPUTE_ADDRESS_SPACE_EMULATED',),
        ),
    ),
    'persistent memory': (
        Situation({**ON, 'hw:pmem': '6GB'}, Q35, [host()]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('resources-short',),
            tenant=('openstack flavor unset --property hw:pmem m1',),
            operator=('use-hosts-with CUSTOM_PMEM_NAMESPACE_6GB',),
        ),
    ),
    'a resource class that no host has': (
        Situation({**ON, 'resources:CUSTOM_FPGA': '1'}, Q35, [host()]),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('resources-short',),
            tenant=(
                'openstack flavor unset --property resources:CUSTOM_FPGA m1',
            ),
            operator=('use-hosts-with CUSTOM_FPGA',),
        ),
    ),
    'a request group that no host serves': (
        Situation(
            {
                **ON,
                'resources1:CUSTOM_FPGA': '1',
                'trait1:CUSTOM_GOLD': 'required',
            },
            Q35,
            [host()],
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('group',),
            tenant=(),
            operator=(),
        ),
    ),
    'more memory than any host has': (
        Situation(ON, Q35, [host()], ram=99999),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('resources-short',),
            tenant=(),
            operator=(),
        ),
    ),
    'a disk larger than any': (
        Situation(ON, Q35, [host()], disk=5000),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('resources-short',),
            tenant=(),
            operator=(),
        ),
    ),
    'more memory and a trait': (
        Situation(
            {**ON, 'trait:CUSTOM_GOLD': 'required'}, Q35, [host()], ram=99999
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('several',),
            tenant=(),
            operator=('use-hosts-with CUSTOM_GOLD',),
        ),
    ),
    'one host lacks a trait, and one memory': (
        Situation(
            {**ON, 'trait:CUSTOM_GOLD': 'required'},
            Q35,
            [host('a', memory_mb=100), host('b')],
        ),
        Told(
            first='0 of 2 hosts can run this amd-sev guest:',
            codes=('trait', 'several'),
            tenant=('openstack flavor unset --property trait:CUSTOM_GOLD m1',),
            operator=('use-hosts-with CUSTOM_GOLD',),
        ),
    ),
    'three of four guests fit': (
        Situation(
            ON,
            Q35,
            [
                host('a', pools={'amd-sev': {'total': 2}}),
                host('b', pools={'amd-sev': {'total': 1}}),
            ],
            count=4,
        ),
        Told(
            first='3 of 4 amd-sev guests fit, on 2 of 2 hosts:',
            codes=('guests',),
            tenant=(),
            operator=(),
        ),
    ),
    'pinned CPUs, beside a full host and one whose machine type is pc': (
        Situation(
            {**ON, 'hw:cpu_policy': 'dedicated'},
            UEFI,
            [
                host('a', machine_types=PC),
                host(
                    'b',
                    machine_types={'x86_64': 'q35'},
                    pools={'amd-sev': FULL},
                ),
            ],
        ),
        Told(
            first='0 of 2 hosts can run this amd-sev guest:',
            codes=('machine-type-not-q35', 'several', 'machine-type-unset'),
            tenant=('openstack image set --property hw_machine_type=q35 u',),
            operator=('[libvirt] hw_machine_type=x86_64=q35',),
        ),
    ),
    'a trait that is required, and that nova forbids to every host': (
        Situation(
            {**ON, 'trait:COMPUTE_STATUS_DISABLED': 'required'},
            Q35,
            [host('a'), host('b', traits=['COMPUTE_STATUS_DISABLED'])],
        ),
        Told(
            first='0 of 2 hosts can run this amd-sev guest:',
            codes=('trait', 'host-disabled'),
            tenant=(
                'openstack flavor unset --property trait:COMPUTE_STATUS_DISABLED m1',
            ),
        ),
    ),
    'a small host beside a large one that is disabled': (
        Situation(
            ON,
            Q35,
            [
                host('a', memory_mb=512),
                host('b', traits=['COMPUTE_STATUS_DISABLED']),
            ],
        ),
        Told(
            first='0 of 2 hosts can run this amd-sev guest:',
            codes=('host-disabled', 'resources-short', 'combination'),
        ),
    ),
    'a host that lacks a trait beside one that is disabled': (
        Situation(
            {**ON, 'trait:CUSTOM_GOLD': 'required'},
            Q35,
            [
                host('a'),
                host('b', traits=['CUSTOM_GOLD', 'COMPUTE_STATUS_DISABLED']),
            ],
        ),
        Told(
            first='0 of 2 hosts can run this amd-sev guest:',
            codes=('host-disabled', 'trait', 'combination'),
        ),
    ),
    'a small host with the trait beside a large one without': (
        Situation(
            {**ON, 'trait:CUSTOM_GOLD': 'required'},
            Q35,
            [host('a', memory_mb=512, traits=['CUSTOM_GOLD']), host('b')],
        ),
        Told(
            first='0 of 2 hosts can run this amd-sev guest:',
            codes=('trait', 'resources-short', 'combination'),
            tenant=('openstack flavor unset --property trait:CUSTOM_GOLD m1',),
            operator=('use-hosts-with CUSTOM_GOLD',),
        ),
    ),
    'more guests than slots, where the image keeps them off a host': (
        Situation(
            ON,
            UEFI,
            [
                host('a', machine_types=PC),
                host(
                    'b',
                    machine_types={'x86_64': 'q35'},
                    pools={'amd-sev': {'total': 1}},
                ),
            ],
            count=5,
        ),
        Told(
            first='1 of 5 amd-sev guests fits, on 1 of 2 hosts:',
            codes=('machine-type-not-q35', 'guests', 'machine-type-unset'),
            tenant=('openstack image set --property hw_machine_type=q35 u',),
            operator=('[libvirt] hw_machine_type=x86_64=q35',),
        ),
    ),
    'more guests than hosts of a trait take': (
        Situation(
            {**ON, 'trait:CUSTOM_GOLD': 'required'},
            Q35,
            [
                host(
                    'a',
                    traits=['CUSTOM_GOLD'],
                    pools={'amd-sev': {'total': 1}},
                ),
                host('b'),
            ],
            count=3,
        ),
        Told(
            first='1 of 3 amd-sev guests fits, on 1 of 2 hosts:',
            codes=('trait', 'guests'),
            tenant=('openstack flavor unset --property trait:CUSTOM_GOLD m1',),
            operator=('use-hosts-with CUSTOM_GOLD',),
        ),
    ),
    'more guests than there is memory': (
        Situation(ON, Q35, [host(memory_mb=2600)], count=3),
        Told(
            first='2 of 3 amd-sev guests fit, on 1 of 1 host:',
            codes=('guests',),
        ),
    ),
    'more guests than are free, and not than there are slots': (
        Situation(
            ON,
            Q35,
            [host(pools={'amd-sev': {'total': 4, 'used': 2}})],
            count=3,
        ),
        Told(
            first='2 of 3 amd-sev guests fit, on 1 of 1 host:',
            codes=('guests',),
        ),
    ),
    'more guests than hosts in service take': (
        Situation(
            ON,
            Q35,
            [
                host('a', pools={'amd-sev': {'total': 1}}),
                host('b', traits=['COMPUTE_STATUS_DISABLED']),
            ],
            count=3,
        ),
        Told(
            first='1 of 3 amd-sev guests fits, on 1 of 2 hosts:',
            codes=('guests', 'host-disabled'),
        ),
    ),
    'more guests than hosts share disks for': (
        Situation(
            ON,
            Q35,
            [],
            disk=40,
            count=5,
            providers=sharing(100, 'a', 'b', b=15),
        ),
        Told(
            first='2 of 5 amd-sev guests fit, on 1 of 2 hosts:',
            codes=('guests', 'no-free-slot'),
        ),
    ),
    'two request groups, and no policy': (
        Situation(
            GROUPS,
            Q35,
            [],
            providers=(
                *sharing(100, 'a'),
                *(
                    {
                        'name': f'a_fpga_{n}',
                        'parent': 'a',
                        'inventories': {'CUSTOM_FPGA': {'total': 1}},
                    }
                    for n in range(2)
                ),
            ),
        ),
        Told(
            first='m1 asks for amd-sev. Nothing in flavor and image is against encryption. Flavor m1 has a warning:',
            codes=('invalid-resource-request',),
            tenant=(
                'openstack flavor set --property group_policy=none m1 | openstack flavor set --property group_policy=isolate m1',
            ),
        ),
    ),
    'two request groups, and one provider for both': (
        Situation(
            {**GROUPS, 'group_policy': 'isolate'},
            Q35,
            [host()],
            more=(('CUSTOM_FPGA', 2),),
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('combination',),
            tenant=('openstack flavor set --property group_policy=none m1',),
        ),
    ),
    'a trait that every host has is forbidden': (
        Situation(
            {**ON, 'trait:CUSTOM_GOLD': 'forbidden'},
            Q35,
            [host(traits=['CUSTOM_GOLD'])],
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('trait',),
            tenant=('openstack flavor unset --property trait:CUSTOM_GOLD m1',),
        ),
    ),
    'flavor and image contradict each other': (
        Situation(
            {**ON, 'trait:CUSTOM_GOLD': 'forbidden'},
            {**Q35, 'trait:CUSTOM_GOLD': 'required'},
            [host('a', traits=['CUSTOM_GOLD']), host('b')],
        ),
        Told(
            first='m1 asks for amd-sev. Flavor m1 is not ready for it:',
            codes=('invalid-resource-request',),
            tenant=(
                'openstack flavor unset --property trait:CUSTOM_GOLD m1 | openstack image unset --property trait:CUSTOM_GOLD u',
            ),
        ),
    ),
    'a trait is not in capitals': (
        Situation(
            {**ON, 'trait:custom_gold': 'required'},
            Q35,
            [host(traits=['CUSTOM_GOLD'])],
        ),
        Told(
            first='m1 asks for amd-sev. Flavor m1 is not ready for it:',
            codes=('invalid-resource-request', 'invalid-resource-request'),
            tenant=('openstack flavor unset --property trait:custom_gold m1',),
        ),
    ),
    'more guests than slots, all of which are taken': (
        Situation(
            ON,
            Q35,
            [host(pools={'amd-sev': {'total': 1, 'used': 1}})],
            count=3,
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('guests', 'no-free-slot'),
        ),
    ),
    'hosts share a disk that is full': (
        Situation(
            ON,
            Q35,
            [],
            disk=40,
            providers=sharing(100, 'a', ceph=100),
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('resources-short',),
        ),
    ),
    'nothing is left of one amount, and too little of another': (
        Situation(
            ON,
            Q35,
            [],
            disk=40,
            providers=CROWDED,
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('resources-short',),
        ),
    ),
    'hosts share a disk that is too full': (
        Situation(
            ON,
            Q35,
            [],
            disk=90,
            providers=sharing(100, 'a', ceph=80),
        ),
        Told(
            first='0 of 1 host can run this amd-sev guest:',
            codes=('resources-short',),
        ),
    ),
    'a guest without encryption that is too large': (
        Situation({}, {}, [host()], ram=99999),
        Told(
            first='0 of 1 host can run this unencrypted guest:',
            codes=('resources-short',),
            tenant=(),
            operator=(),
        ),
    ),
}
NAMES = pytest.mark.parametrize('name', SITUATIONS)
#: What a verdict is against -> a host, and the verdict's code.
VERDICTS = {
    'defaults to pc': ({'machine_types': PC}, 'machine-type-not-q35'),
    'overcommits memory': (
        {'ram_allocation_ratio': 1.5},
        'memory-overcommitted',
    ),
    'is disabled': ({'traits': ['COMPUTE_STATUS_DISABLED']}, 'host-disabled'),
    'has no free slot': ({'pools': {'amd-sev': FULL}}, 'no-free-slot'),
    'offers another model': ({'pools': {'intel-tdx': SLOTS}}, 'no-pool'),
    'offers no model': ({'pools': {}}, 'no-pool'),
}
#: What Placement alone finds short -> extra specs, properties, more of the
#: flavor, and the cause.
LACKS: dict[str, tuple[Any, Any, Any, str]] = {
    'memory': ({}, {}, {'ram': 99999}, 'resources-short'),
    'disk': ({}, {}, {'disk': 5000}, 'resources-short'),
    'a class': ({'resources:CUSTOM_FPGA': '1'}, {}, {}, 'resources-short'),
    'pinned CPUs': ({'hw:cpu_policy': 'dedicated'}, {}, {}, 'resources-short'),
    'a trait': ({'trait:CUSTOM_GOLD': 'required'}, {}, {}, 'trait'),
    'a TPM': ({}, {'hw_tpm_version': '2.0'}, {}, 'trait'),
    'a group': (
        {'resources1:CUSTOM_FPGA': '1', 'trait1:CUSTOM_GOLD': 'required'},
        {},
        {},
        'group',
    ),
}
#: More fixes than any situation has: they go in a circle.
MOST_ROUNDS = 8


def test_there_are_enough_of_them():
    assert len(SITUATIONS) >= 60


@NAMES
def test_what_is_told(cloud, name):
    situation, expected = SITUATIONS[name]
    assert cloud.ask(situation) == expected


def test_a_host_is_promised_once_the_groups_have_a_policy(cloud):
    """Nova sends none, and Placement refuses what it sends."""
    situation, _ = SITUATIONS['two request groups, and no policy']
    explanation = explain(cloud.feasibility(situation))

    once = 'once flavor m1 has a group_policy.'
    fits = f'1 of 1 host can run this amd-sev guest, {once}'
    assert explanation.headline == fits
    assert explanation.tenant() == f'This amd-sev guest can be placed, {once}'


@pytest.mark.parametrize(
    ('name', 'figures'),
    [
        (
            'hosts share a disk that is full',
            ['DISK_GB: 40 asked for, 0 left on ceph, which shares it'],
        ),
        (
            'nothing is left of one amount, and too little of another',
            [
                'DISK_GB: 40 asked for, 20 left on a, 20 short',
                'MEMORY_MB: 1024 asked for, 0 left on a, 1024 short',
            ],
        ),
    ],
)
def test_where_nothing_is_left_there_are_figures(cloud, name, figures):
    (reason,) = explain(cloud.feasibility(SITUATIONS[name][0])).reasons

    for text in figures:
        assert text in reason.text


def test_what_is_not_given_at_once_is_named_beside_a_verdict(cloud):
    overcommitted = host(ram_allocation_ratio=1.5)
    found = cloud.feasibility(Situation(ON, Q35, [overcommitted], ram=80000))
    (answer,) = found.answers
    (unmet,) = answer.unmet

    assert (unmet.constraint.name, unmet.left) == ('MEMORY_MB', 65536)
    assert unmet.permanent
    (reason,) = explain(found).reasons
    assert 'MEMORY_MB: 80000 asked for, 65536 left' in reason.sentence


def test_what_hosts_share_is_told_by_its_provider(cloud):
    situation, _ = SITUATIONS['hosts share a disk that is too full']
    found = cloud.feasibility(situation)
    (reason,) = explain(found).reasons

    assert 'DISK_GB: 90 asked for, 20 left on ceph' in reason.text
    assert [step.text for step in reason.steps()] == [
        'use a flavor with less DISK_GB, boot from a volume, or add DISK_GB '
        'to ceph'
    ]
    assert reason.tenant_fix == (
        'Use a smaller flavor, or boot from a volume.'
        if reason.permanent
        else 'Use a smaller flavor, boot from a volume, or try again later.'
    )
    (row,) = [row for row in host_rows(found) if row.host == 'a']
    assert 'left on ceph' in row.text


@pytest.mark.parametrize('name', SITUATIONS)
def test_a_host_is_told_by_its_own_figures(cloud, name):
    """What one lacks is no other's, nor what would help against it."""
    situation, _ = SITUATIONS[name]
    if situation.validation().errors:
        return
    found = cloud.feasibility(situation)
    unmet = {a.verdict.host.name: a.unmet for a in found.answers}
    rows = [row for row in host_rows(found) if row.host and not row.fits]

    for row in rows:
        left = {str(one.left) for one in unmet[row.host] if one.left}
        # The amounts in its text are what it has left.
        told = re.findall(
            r'asked for, (?:at most )?([1-9][0-9]*) left', row.text
        )
        assert {*told} <= left
        own = {one.constraint.name for one in unmet[row.host]}
        if 'trait:' in str(row.remedy.fix) and (
            found.matter is not Matter.REQUEST
        ):
            assert any(
                f'trait:{name.removeprefix("!")}' in row.remedy.fix
                for name in own
            )
    # The command "schedule" has a fix wherever "explain" has one.
    if any(row.remedy.fix for row in rows):
        assert any(row.remedy.fix for row in explain(found).rows())
    full = [row.remedy.fix for row in rows if row.codes == ('no-free-slot',)]
    fixes = {row.code: row.remedy.fix for row in explain(found).rows()}
    if len(full) == 1 and 'no-free-slot' in fixes:
        assert fixes['no-free-slot'] == full[0]


def test_a_host_that_gives_less_at_once_is_not_told_what_another_has_left(
    cloud,
):
    situation = Situation(ON, Q35, [host('a', memory_mb=1000), host('b')])
    cloud.load(situation)
    cloud.world.inventory('b', 'MEMORY_MB', max_unit=500)
    cloud.held = ''
    found = cloud.client.feasibility(situation.validation())
    rows = {row.host: row.text for row in host_rows(found)}

    assert '1000' in rows['a']
    assert '1000' not in rows['b']


#: Situations in which several changes of a tenant's together lead to a host.
TOGETHER = (
    'pinned CPUs, beside a full host and one whose machine type is pc',
    'more guests than slots, where the image keeps them off a host',
    'more guests than hosts of a trait take',
)


@pytest.mark.parametrize('name', TOGETHER)
def test_a_tenant_reads_all_that_leads_to_a_host_at_once(cloud, name):
    situation, _ = SITUATIONS[name]
    reason = next(
        one
        for one in cloud.explanations(situation)[0].reasons
        if one.for_tenant
    )
    for fix in (fix for part in reason.tenant_parts for fix in part.changes):
        situation = applied(situation, fix) or situation

    assert cloud.feasibility(situation).yes


SLOT = 'MEM_ENCRYPTION_CONTEXT'
#: What keeps more guests off, and how many fit on empty hosts.
LIMITS = {
    'three of four guests fit': (3, [Limit(SLOT, 1, 3)]),
    'more guests than slots, where the image keeps them off a host': (
        1, [Limit(SLOT, 1, 1)],
    ),
    'more guests than hosts of a trait take': (1, [Limit(SLOT, 1, 1)]),
    'more guests than there is memory': (2, [Limit('MEMORY_MB', 1024, 2600)]),
    'more guests than are free, and not than there are slots': (
        4, [Limit(SLOT, 1, 2)],
    ),
    'more guests than hosts in service take': (5, [Limit(SLOT, 1, 1)]),
    'more guests than hosts share disks for': (
        2, [Limit('DISK_GB', 40, 100, 'ceph')],
    ),
}  # fmt: skip


@pytest.mark.parametrize('name', LIMITS)
def test_what_keeps_more_guests_off(cloud, name):
    """Nobody is told to wait for what hosts do not have when empty."""
    situation, _ = SITUATIONS[name]
    if_empty, limits = LIMITS[name]
    found = cloud.feasibility(situation)
    cloud.load(situation)
    with pytest.raises(NoCapacity) as raised:
        cloud.client.schedule(situation.validation(), situation.count)

    assert found.too_many.guests_if_empty == if_empty
    assert [*found.too_many.limits] == limits
    assert found.too_many.permanent is (if_empty < situation.count)
    # Both commands begin with the same.
    assert [*raised.value.explanation.rows()] == [*explain(found).rows()]
    if limits[0].shared_by:
        # Nothing else makes room for more.
        _, *others = explain(found).reasons
        assert not any(reason.steps() for reason in others)


def applied(situation: Situation, fix: Fix) -> Situation | None:
    """Return the situation once a fix was made; None where none makes it."""
    changed = copy.deepcopy(situation)
    if fix.target in (Target.FLAVOR, Target.IMAGE):
        owner = (
            changed.extra_specs
            if fix.target is Target.FLAVOR
            else changed.properties
        )
        owner.update(fix.set)
        for key in fix.unset:
            owner.pop(key, None)
        return changed
    if fix.target is Target.HOST:
        for entry in changed.hosts:
            if 'ram_allocation_ratio' in fix.set:
                entry['ram_allocation_ratio'] = 1.0
            else:
                entry['machine_types'] = {'x86_64': 'q35'}
        return changed
    names = fix.values if fix.advice == 'use-hosts-with' else ()
    traits = [n for n in names if n.startswith(('COMPUTE_', 'HW_'))]
    traits += [n for n in names if n == 'CUSTOM_GOLD']
    amounts = [n for n in names if n not in traits]
    if not names:
        return None
    for entry in changed.hosts:
        entry['traits'] = [*entry.get('traits', ()), *traits]
    more = (*changed.more, *((name, 8) for name in amounts))
    return replace(changed, more=more)


def model_of(situation):
    return {
        key: value
        for key, value in (
            *situation.extra_specs.items(),
            *situation.properties.items(),
        )
        if 'mem_encryption' in key
    }


@NAMES
def test_a_fix_solves_its_problem_and_makes_no_other(cloud, name):
    situation, before = SITUATIONS[name]
    reason = cloud.first_reason(situation)
    if reason is None:
        return
    together = situation
    for fix in reason.changes:
        together = applied(together, fix) or together
    ways = [together] if together != situation else []
    # What hosts get solves no warning about the image, nor one of several.
    others = () if reason.code == 'several' else reason.of_hosts
    others += tuple(
        way
        for fix in reason.changes
        for way in fix.alternatives
        if way.target is not Target.HOST
    )
    ways += filter(None, (applied(situation, fix) for fix in others))
    # What asks for other hosts is told what some of them lack.
    wanted = any(
        {Caveat.MODEL_WANTED, Caveat.HOSTS_WITH_TRAIT} & {*fix.caveats}
        for fix in reason.changes
    )
    for changed in ways:
        after = cloud.ask(changed)
        runs = cloud.explanations(changed)[0].kind == 'hosts'
        assert runs or after.codes[:1] != (reason.code,)
        if model_of(changed) == model_of(situation) and not wanted:
            # What asks for another model has other things to be ready for.
            assert 'several' in before.codes or (
                set(after.codes) <= set(before.codes)
            )


@NAMES
def test_every_view_begins_with_the_same(cloud, name):
    """The code, whether it stays, and whose matter it is, as the text."""
    situation, _ = SITUATIONS[name]
    validation = situation.validation()
    if validation.errors:
        return
    found = cloud.feasibility(situation)
    if found.yes:
        return
    explanation = explain(found)
    told = [one for one in explanation.reasons if one.for_tenant]
    columns = Explain.columns
    rows = [
        dict(zip(columns, row, strict=True)) for row in _tenant_rows(found)
    ]

    assert [row['Code'] for row in rows] == [
        one.tenant_parts[0].code for one in told
    ]
    text = explanation.tenant().splitlines()[1].removeprefix('- ')
    first = told[0].tenant_parts[0].tenant_text
    assert text.startswith(first)
    assert rows[0]['Message'].startswith(first)
    assert explanation.fault().startswith(
        (first, told[0].tenant_parts[0].without_asker())
    )
    # Somebody who only waits gets a host, or nobody is told to.
    passes = not all(row['Permanent'] for row in rows)
    assert passes == (found.matter in (Matter.MOMENT, Matter.NONE))
    assert passes == any(row['Matter'] == 'moment' for row in rows)
    # The first line of operators, and what programs read first.
    lead = explanation.reasons[0]
    (row, *_) = explanation.rows()
    assert (row.code, row.permanent) == (lead.code, lead.stays)
    (row, *_) = host_rows(found)
    if row.host is None:
        assert (row.code, row.permanent) == (lead.code, lead.stays)


@NAMES
def test_to_do_as_is_told_comes_to_an_end(cloud, name):
    situation, _ = SITUATIONS[name]
    for _ in range(MOST_ROUNDS):
        reason = cloud.first_reason(situation)
        changed = situation
        for fix in reason.changes if reason else ():
            changed = applied(changed, fix) or changed
        if changed == situation:
            return
        situation = changed
    raise AssertionError(f'in a circle: {situation}')


@pytest.mark.parametrize('lack', LACKS)
@pytest.mark.parametrize('verdict', VERDICTS)
def test_what_a_host_lacks_is_said_beside_its_verdict(cloud, verdict, lack):
    """No fix is all that it takes where it is not."""
    facts, code = VERDICTS[verdict]
    extra_specs, properties, flavor, cause = LACKS[lack]
    situation = Situation(
        {**ON, **extra_specs},
        {**UEFI, **properties},
        [host(**facts)],
        **flavor,
    )
    cloud.load(situation)
    found = cloud.client.feasibility(situation.validation())
    explanation = explain(found)
    rows = [row for row in host_rows(found) if row.host]

    if code == 'no-free-slot':
        # The diagnosis names both at once.
        assert code in rows[0].codes
        assert {c.cause for c in found.diagnosis.constraints} == {
            'slots-used', cause,
        }  # fmt: skip
    else:
        assert rows[0].codes == (code, cause)
        (reason,) = explanation.reasons
        assert [str(part.code) for part in reason.further] == [cause]
        # What a host lacks beside a slot helps nobody where none has one.
        parts = {code} if code == 'no-pool' else {code, cause}
        assert {str(part.code) for part in reason.tenant_parts} == parts
        if code == 'no-pool':
            assert not any(step.command for step in reason.steps())
            assert 'openstack' not in str(rows[0].remedy.fix)
    # Commands without advice are all that it takes.
    parts = [p for r in explanation.reasons for p in r.tenant_parts]
    if all(part.changes for part in parts):
        for fix in (fix for part in parts for fix in part.changes):
            situation = applied(situation, fix) or situation
        told = cloud.explanations(situation)[0]
        assert told.kind == 'hosts' or (
            'mem_encryption_model' in str(situation.extra_specs)
        )


@pytest.mark.parametrize(
    ('traits', 'runnable'),
    [
        pytest.param([STATELESS], ('amd-sev-snp',), id='a host could'),
        pytest.param([], (), id='hosts lack what it needs'),
    ],
)  # fmt: skip
def test_a_diagnosis_knows_as_which_model_a_request_could_run(
    cloud, traits, runnable
):
    pools = {'amd-sev-snp': SLOTS}
    situation = Situation(
        {**ON, MODEL: 'amd-sev-es'}, Q35, [host(pools=pools, traits=traits)]
    )
    cloud.load(situation)
    validation = situation.validation()
    found = cloud.client.diagnose(validation)

    assert (found.offered, found.runnable) == (('amd-sev-snp',), runnable)


def test_hosts_that_the_scope_leaves_out_are_not_denied(cloud):
    situation = Situation(ON, Q35, [host('a'), host('b', memory_mb=100)])
    cloud.load(situation)
    scope = Scope(root_required=['CUSTOM_NO'])
    found = cloud.client.feasibility(situation.validation(), scope=scope)

    assert (found.left_out, found.result.verdicts) == (2, ())
    assert explain(found).kind == 'left-out'
    assert [str(r.code) for r in explain(found).reasons] == ['host-trait']


def test_hosts_in_a_scope_are_counted_beside_those_left_out(cloud):
    entry = host('a', traits=['CUSTOM_YES'], memory_mb=100)
    situation = Situation(ON, Q35, [entry, host('b')])
    cloud.load(situation)
    scope = Scope(root_required=['CUSTOM_YES'])
    found = cloud.client.feasibility(situation.validation(), scope=scope)

    assert (found.left_out, len(found.result.verdicts)) == (1, 1)


@pytest.mark.parametrize(
    ('ram', 'permanent'),
    [
        pytest.param(100_000, False, id='as much as it has, part of it used'),
        pytest.param(100_001, True, id='more than it has'),
    ],
)
def test_waiting_helps_where_a_host_has_enough_when_empty(
    cloud, ram, permanent
):
    """The host takes it with all of its memory free, and not otherwise."""
    situation = Situation(
        {**ON, 'trait:CUSTOM_GOLD': 'required'},
        Q35,
        [host('a', memory_mb=100_000), host('b', memory_mb=200_000)],
        ram=ram,
    )
    cloud.load(situation)
    cloud.world.use('a', MEMORY_MB=1)
    found = cloud.client.feasibility(situation.validation())
    cloud.held = ''

    (row,) = [row for row in host_rows(found) if row.host == 'a']
    assert (row.code, row.permanent) == ('several', True)
    (reason,) = [r for r in explain(found).reasons if r.code == 'several']
    (short,) = reason.finding.shortfalls
    assert short.permanent is permanent


def test_each_host_that_is_not_offered_names_what_it_lacks(cloud):
    situation = Situation(
        {**ON, 'trait:CUSTOM_GOLD': 'required'},
        {**Q35, 'hw_firmware_stateless': 'true'},
        [
            host('a', traits=[STATELESS, 'CUSTOM_GOLD']),
            host('b', traits=['CUSTOM_GOLD']),
            host('c', traits=[STATELESS], memory_mb=100),
        ],
    )
    cloud.load(situation)
    found = cloud.client.feasibility(situation.validation())

    assert {row.host: row.codes for row in host_rows(found)} == {
        'a': (),
        'b': ('trait',),
        'c': ('resources-short', 'trait'),
    }
    assert [row.remedy.fix for row in host_rows(found) if row.remedy.fix] == [
        'openstack image unset --property hw_firmware_stateless u',
        'openstack flavor unset --property trait:CUSTOM_GOLD m1',
    ]
