"""An example of each code, made by the library itself.

So what the page of codes shows is what a command prints.
"""

from collections.abc import Iterator, Mapping

from sev_scheduling import (
    Cause,
    Code,
    Constraint,
    Diagnosis,
    Explanation,
    Host,
    Shortfall,
    SlotPool,
    VerdictCode,
    check_action,
    explain,
    filter_hosts,
    parse,
    validate,
)
from sev_scheduling.diagnosis import UnknownName
from sev_scheduling.request.groups import RequestGroup
from sev_scheduling.rules.actions import REBUILD_NOT_UNDONE

Specs = Mapping[str, str]

READY = {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'}
SEV = {'hw:mem_encryption': 'true'}
ES = SEV | {'hw:mem_encryption_model': 'amd-sev-es'}
SNP = SEV | {'hw:mem_encryption_model': 'amd-sev-snp'}
TDX = SEV | {'hw:mem_encryption_model': 'intel-tdx'}
STATELESS = READY | {'hw_firmware_stateless': 'true'}


def request(extra_specs: Specs = SEV, properties: Specs = READY):
    """Return what a flavor and an image ask for together."""
    flavor = {'name': 'm1.sev', 'ram': 8192, 'vcpus': 4, 'disk': 40}
    return parse(
        flavor | {'extra_specs': dict(extra_specs)},
        {'name': 'ubuntu-24.04', **properties},
    )


def _without(key: str) -> Specs:
    return {k: v for k, v in READY.items() if k != key}


#: Code of a problem -> extra specs and image properties that have it.
PROBLEMS: Mapping[str, tuple[Specs, Specs]] = {
    'invalid-boolean': ({'hw:mem_encryption': 'maybe'}, READY),
    'encryption-conflict': (SEV, READY | {'hw_mem_encryption': 'false'}),
    'unknown-model': (SEV | {'hw:mem_encryption_model': 'sev-snp'}, READY),
    'model-conflict': (
        ES,
        READY
        | {'hw_mem_encryption': 'true', 'hw_mem_encryption_model': 'amd-sev'},
    ),
    'model-without-encryption': (
        {'hw:mem_encryption_model': 'amd-sev'},
        READY,
    ),
    'firmware-not-uefi': (SEV, _without('hw_firmware_type')),
    'firmware-not-stateless': (SNP, READY),
    'machine-type-not-q35': (SEV, READY | {'hw_machine_type': 'pc'}),
    'machine-type-unset': (SEV, _without('hw_machine_type')),
    'architecture-unsupported': (SEV, READY | {'hw_architecture': 'aarch64'}),
    'disk-bus-unsupported': (SEV, READY | {'hw_disk_bus': 'ide'}),
    'cdrom-bus-unsupported': (SEV, READY | {'hw_cdrom_bus': 'ide'}),
    'video-device-present': (
        TDX,
        STATELESS | {'os_secure_boot': 'required'},
    ),
    'host-device': (SEV | {'pci_passthrough:alias': 'gpu:1'}, READY),
    'trait-conflict': (
        SEV | {'trait:HW_CPU_X86_AMD_SEV': 'forbidden'},
        READY,
    ),
    'trait-without-encryption': (
        {'trait:HW_CPU_X86_AMD_SEV': 'required'},
        READY,
    ),
    'explicit-slot': (
        SEV | {'resources:MEM_ENCRYPTION_CONTEXT': '1'},
        READY,
    ),
    'invalid-resource-request': (SEV | {'resources:GPU': '1'}, READY),
    'misspelt-key': ({'hw:mem_encrypton': 'true'}, READY),
    'secure-boot-unsupported': (ES, READY | {'os_secure_boot': 'required'}),
}

#: Code of a refused action -> the action, the server, and what it becomes.
ACTIONS = {
    'action-unsupported': ('live-migration', request(), None),
    'rebuild-needs-slot': (
        'rebuild',
        request({}),
        request({}, READY | {'hw_mem_encryption': 'true'}),
    ),
    'rebuild-changes-model': (
        'rebuild',
        request(
            {},
            READY
            | {
                'hw_mem_encryption': 'true',
                'hw_mem_encryption_model': 'amd-sev-es',
            },
        ),
        request({}, READY | {'hw_mem_encryption': 'true'}),
    ),
    'rescue-drops-encryption': (
        'rescue',
        request({}, READY | {'hw_mem_encryption': 'true'}),
        request({}),
    ),
}

_POOL = SlotPool(total=15, used=3)

#: Code of a verdict -> the request and the host.
VERDICTS = {
    'no-pool': (request(), Host(name='epyc-01')),
    'excluded-by-model': (
        request(ES),
        Host(
            name='epyc-01', pools={'amd-sev-es': _POOL, 'amd-sev-snp': _POOL}
        ),
    ),
    'host-disabled': (
        request(),
        Host(
            name='epyc-01',
            pools={'amd-sev': _POOL},
            traits={'COMPUTE_STATUS_DISABLED'},
        ),
    ),
    'hypervisor-unsupported': (
        request(),
        Host(
            name='epyc-01',
            pools={'amd-sev': _POOL},
            hypervisor_type='VMware vCenter Server',
        ),
    ),
    'machine-type-not-q35': (
        request(properties=_without('hw_machine_type')),
        Host(
            name='epyc-01',
            pools={'amd-sev': _POOL},
            machine_types={'x86_64': 'pc'},
        ),
    ),
    'memory-overcommitted': (
        request(),
        Host(
            name='epyc-01', pools={'amd-sev': _POOL}, ram_allocation_ratio=1.5
        ),
    ),
    'no-free-slot': (
        request(),
        Host(name='epyc-01', pools={'amd-sev': SlotPool(total=15, used=15)}),
    ),
}

_MEMORY = Constraint(Cause.RESOURCES_SHORT, 'MEMORY_MB', 8192)
_TRAIT = Constraint(Cause.TRAIT, 'CUSTOM_GOLD')
_HOSTS = {'hosts_with_free_slot': 4, 'hosts_but_for': 2}
_SHORT = {
    'constraints': (_MEMORY,),
    'shortfalls': (Shortfall('MEMORY_MB', 8192, 4096, 'epyc-01'),),
    **_HOSTS,
}

#: Code of a cause -> facts of a diagnosis.
CAUSES = {
    'no-model': {},
    'slots-used': {
        'hosts_with_model': 4,
        'slots_total': 60,
        'slots_used': 60,
    },
    'unknown-name': {
        'constraints': (_TRAIT,),
        'unknown': (
            UnknownName('CUSTOM_GOLD', True, False, _TRAIT, 'CUSTOM_GOLDEN'),
        ),
    },
    'guests': {'guests': 4, 'guests_fit': 3},
    'resources-short': _SHORT,
    'trait': {'constraints': (_TRAIT,), **_HOSTS},
    'host-trait': {
        'constraints': (
            Constraint(Cause.HOST_TRAIT, '!COMPUTE_STATUS_DISABLED'),
        ),
        **_HOSTS,
    },
    'machine-type': {
        'constraints': (
            Constraint(Cause.MACHINE_TYPE, '!CUSTOM_HW_MACHINE_TYPE_PC'),
        ),
        **_HOSTS,
    },
    'aggregate': {
        'constraints': (
            Constraint(
                Cause.AGGREGATE, '6f1c8b4e-6b5c-4f0a-9c0d-1f1a2e8f3b77'
            ),
        ),
        **_HOSTS,
    },
    'host': {'constraints': (Constraint(Cause.HOST, 'epyc-07'),), **_HOSTS},
    'group': {'constraints': (Constraint(Cause.GROUP, '_NIC'),), **_HOSTS},
    'port': {
        'constraints': (
            Constraint(
                Cause.PORT,
                'f5e51d40-3a5c-4b8e-9c56-0d9d0e8f4a11',
                groups=(
                    RequestGroup('', {'NET_BW_EGR_KILOBIT_PER_SEC': 10000}),
                ),
            ),
        ),
        **_HOSTS,
    },
    'device': {
        'constraints': (
            Constraint(
                Cause.DEVICE,
                'pci_passthrough:alias',
                groups=(RequestGroup('', {'CUSTOM_PCI_8086_1515': 1}),),
            ),
        ),
        **_HOSTS,
    },
    'group-policy': {
        'constraints': (Constraint(Cause.GROUP_POLICY, 'isolate'),),
        **_HOSTS,
    },
    'several': _SHORT | {'constraints': (_MEMORY, _TRAIT)},
    'combination': _SHORT | {'constraints': (_MEMORY, _TRAIT)},
    'unclear': {'hosts_with_free_slot': 4},
    'unknown': {},
}


def found_in(code: str) -> Iterator[tuple[str, Explanation]]:
    """Yield what has a code, as extra specs and such, and its explanation."""
    if code in PROBLEMS:
        specs, properties = PROBLEMS[code]
        problems = validate(request(specs, properties))
        yield (
            f'a flavor with {_listed(specs)}; an image with '
            f'{_listed(properties)}',
            explain(problems),
        )
    if code in ACTIONS:
        action, server, new = ACTIONS[code]
        problem = check_action(server, action, new=new)
        yield (
            f'``{action}`` of such a server',
            explain((problem,) if problem else ()),
        )
    if code == REBUILD_NOT_UNDONE.code:
        yield (
            'a refused ``rebuild`` of such a server',
            explain((REBUILD_NOT_UNDONE,)),
        )
    if code in VERDICTS:
        asked, host = VERDICTS[code]
        yield 'one host', explain(filter_hosts(asked, [host]))
    if code in CAUSES:
        yield (
            'a query without candidates',
            explain(
                Diagnosis(request=request(), cause=Cause(code), **CAUSES[code])
            ),
        )


def _listed(pairs: Specs) -> str:
    return ', '.join(f'``{k}={v}``' for k, v in pairs.items()) or 'nothing'


def codes(kind: str) -> tuple[str, ...]:
    """Return the codes of one kind that programs may meet."""
    if kind == 'request':
        return tuple(Code)
    if kind == 'host':
        return tuple(code for code in VerdictCode if code not in set(Code))
    return tuple(c for c in Cause if c != Cause.NONE)
