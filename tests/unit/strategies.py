"""Flavors and images as hypothesis draws them: plausible, and not at all."""

import os_traits
from hypothesis import strategies as st

from sev_scheduling.models import BUILTIN_MODELS
from sev_scheduling.request.sources import IMAGE_PROPERTIES
from tests.unit.factories import ON, READY

MODELS = tuple(model.name for model in BUILTIN_MODELS)
#: Names that a test makes known to the real Placement.
CUSTOM_TRAITS = ('CUSTOM_GOLD', 'CUSTOM_OLD')
CUSTOM_CLASSES = (
    *('CUSTOM_NIC', 'CUSTOM_PCI_10DE', 'CUSTOM_PMEM_NAMESPACE_A'),
)
SUFFIXES = ('', '1', '_MEM_ENCRYPTION', '-x', 'x' * 64, 'x' * 65)
TRAITS = (
    *(model.trait for model in BUILTIN_MODELS),
    *CUSTOM_TRAITS,
    os_traits.HW_CPU_HYPERTHREADING,
    os_traits.COMPUTE_SECURITY_STATELESS_FIRMWARE,
)
CLASSES = (
    *('VCPU', 'PCPU', 'MEMORY_MB', 'DISK_GB', 'VGPU'),
    'MEM_ENCRYPTION_CONTEXT',
    *CUSTOM_CLASSES,
)

#: Extra specs that mean something, each with values that do.
SENSE = {
    'hw:mem_encryption': ('true', 'false', 'True', 'maybe', ''),
    'hw:mem_encryption_model': (*MODELS, 'AMD-SEV', ''),
    'hw:mem_page_size': ('large', 'small', '2048', ''),
    'hw:cpu_policy': ('dedicated', 'mixed', 'shared', 'x'),
    'hw:cpu_dedicated_mask': ('^0', '0-1', '0-99', '1-0', '^', '9' * 5000),
    'hw:cpu_realtime': ('yes', 'no', 'x'),
    'hw:cpu_realtime_mask': ('^0', '0', ''),
    'hw:cpu_thread_policy': ('isolate', 'require', 'prefer'),
    'hw:emulator_threads_policy': ('isolate', 'share'),
    'hw:maxphysaddr_mode': ('emulate', 'passthrough'),
    'hw:pci_numa_affinity_policy': ('socket', 'legacy'),
    'hw:pmem': ('A', 'A,A', ' ,'),
    'hw:tpm_version': ('1.2', '2.0', '3'),
    'hw:tpm_model': ('tpm-tis', 'tpm-crb'),
    'os:secure_boot': ('required', 'optional'),
    'group_policy': ('none', 'isolate', 'x'),
    'pci_passthrough:alias': ('gpu:1', ''),
    'accel:device_profile': ('fpga', ''),
}
PROPERTIES = {
    'hw_architecture': ('x86_64', 'amd64', 'aarch64', 'x'),
    'hw_cdrom_bus': ('ide', 'sata', 'IDE'),
    'hw_disk_bus': ('virtio', 'sata', 'scsi', 'ide', ''),
    'hw_firmware_stateless': ('true', 'false', 'x'),
    'hw_firmware_type': ('uefi', 'uefi', 'bios', 'UEFI'),
    'hw_machine_type': ('q35', 'q35', 'pc-q35-8.2', 'pc', ''),
    'hw_mem_encryption': ('true', 'false', ' YES ', 'maybe'),
    'hw_mem_encryption_model': (*MODELS, 'sev'),
    'hw_scsi_model': ('virtio-scsi', 'lsilogic'),
    'hw_video_model': ('none', 'none', 'virtio'),
    'os_secure_boot': ('required', 'optional'),
}

AMOUNTS = st.one_of(
    st.integers(0, 9), st.sampled_from(['0', '2', ' 3 ', 2**31 - 1])
)
#: What no flavor should have, anywhere.
IMPLAUSIBLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=9),
    st.sampled_from([1 << 99999, '9' * 5000, 'x' * 70000, '\ud800\n', b'x']),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)


@st.composite
def pairs(draw, table, asks, ready):
    """Draw extra specs or properties that mean something.

    :param ready: what half of them begin with
    """
    keys = draw(st.sets(st.sampled_from(sorted(table)), max_size=3))
    found = dict(draw(st.sampled_from([{}, ready])))
    found |= {key: draw(st.sampled_from(table[key])) for key in keys}
    for key, values in draw(st.lists(st.sampled_from(asks), max_size=2)):
        found[key] = draw(st.sampled_from(values))
    return found


REQUIRED = ('required', 'required', 'forbidden')
FLAVOR_ASKS = [
    *(
        (f'trait{suffix}:{trait}', REQUIRED)
        for suffix in SUFFIXES
        for trait in TRAITS
    ),
    *(
        (f'resources{suffix}:{name}', ('0', '1', '2', str(2**31 - 1)))
        for suffix in SUFFIXES
        for name in CLASSES
    ),
    ('trait:NONSENSE', REQUIRED),
    ('trait:CUSTOM_GOLD', ('maybe',)),
    ('resources:NONSENSE', ('1',)),
    ('resources:CUSTOM_lower', ('1',)),
    ('resources:VCPU', ('-1', 'x', str(2**31), '9' * 5000)),
]
IMAGE_ASKS = [(f'trait:{trait}', REQUIRED) for trait in TRAITS]
PLAUSIBLE_SPECS = pairs(SENSE, FLAVOR_ASKS, ON)
PLAUSIBLE_PROPERTIES = pairs(
    PROPERTIES,
    IMAGE_ASKS,
    READY,
)


@st.composite
def plausible_flavors(draw):
    return {
        'name': draw(st.sampled_from(['m1', "it's", ''])),
        'vcpus': draw(AMOUNTS),
        'ram': draw(AMOUNTS),
        'disk': draw(AMOUNTS),
        'OS-FLV-EXT-DATA:ephemeral': draw(AMOUNTS),
        'swap': draw(st.one_of(st.just(''), AMOUNTS)),
        'extra_specs': draw(PLAUSIBLE_SPECS),
    }


def plausible_images():
    return st.builds(
        lambda properties: {'name': 'ubuntu', **properties},
        PLAUSIBLE_PROPERTIES,
    )


def spoiled(sources, keys):
    """Put implausible values, or keys, into what is drawn."""
    wrong = st.dictionaries(
        st.one_of(st.sampled_from(keys), st.text(max_size=5), st.integers()),
        IMPLAUSIBLE,
        max_size=1,
    )
    return st.builds(lambda source, more: {**source, **more}, sources, wrong)


FLAVOR_KEYS = [
    *('name', 'id', 'vcpus', 'ram', 'disk', 'swap', 'memory_mb', 'root_gb'),
    *('extra_specs', 'properties', 'original_name', 'nova_object.data'),
    *('disk_format', 'OS-FLV-EXT-DATA:ephemeral'),
]
IMAGE_KEYS = [
    *('name', 'id', 'image_id', 'image_name', 'properties', 'vcpus'),
    *('architecture', 'vmware_adaptertype', 'traits_required'),
    *('nova_object.data', *sorted(IMAGE_PROPERTIES)),
]
ANY_SPECS = spoiled(PLAUSIBLE_SPECS, sorted(SENSE))
ANY_FLAVORS = st.one_of(
    plausible_flavors(),
    IMPLAUSIBLE,
    spoiled(plausible_flavors(), FLAVOR_KEYS),
    st.builds(
        lambda flavor, specs: {**flavor, 'extra_specs': specs},
        plausible_flavors(),
        ANY_SPECS,
    ),
)
ANY_IMAGES = st.one_of(
    plausible_images(),
    IMPLAUSIBLE,
    spoiled(plausible_images(), IMAGE_KEYS),
    st.builds(
        lambda properties: {'properties': properties},
        spoiled(PLAUSIBLE_PROPERTIES, sorted(PROPERTIES)),
    ),
)
