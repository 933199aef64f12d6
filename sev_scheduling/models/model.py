"""What each memory encryption technology demands, one row each.

The values follow nova 34 (2026.2).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import os_traits

#: The model of a request that asks for encryption and names none (nova).
DEFAULT_MODEL = 'amd-sev'


class SecureBoot(enum.StrEnum):
    """How guests of a model can have Secure Boot.

    Read in nova 34's driver, libvirt's firmware selection and KVM.
    """

    #: as any guest, with firmware that needs System Management Mode
    WITH_SMM = 'with-smm'
    #: nova asks for the firmware feature alone
    WITHOUT_SMM = 'without-smm'
    #: not at all: nova asks for SMM, which KVM has not for such guests
    UNSUPPORTED = 'unsupported'


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptionModel:
    """One memory encryption technology.

    :ivar name: nova's value, as in ``hw:mem_encryption_model``
    :ivar trait: trait of a resource provider that offers slots of the model
    :ivar provider_suffix: nova names the nested provider
        ``<node>_<provider_suffix>`` (2025.2 and later)
    :ivar firmware_type: ``hw_firmware_type`` that the image must have
    :ivar machine_type: text that the machine type must contain
    :ivar architectures: values of ``hw_architecture`` that can run it
    :ivar locks_memory: nova has the guest's memory locked, so that RAM must
        not be overcommitted
    :ivar pins_memory: guest memory can be neither moved nor swapped
    :ivar stateless_firmware: ``hw_firmware_stateless`` must be true
    :ivar secure_boot: how its guests can have Secure Boot
    :ivar secure_boot_firmware: the firmware that Debian, Ubuntu and Fedora
        ship for it has Secure Boot, so guests must ask for that
    :ivar video_model: ``hw_video_model`` that the image must have, or None
    :ivar excluded_by: models that must not share a host with it
    :ivar exclusion_source: why not, such as a CVE
    :ivar stronger_than: models that protect less: this one keeps what they
        keep secret, and more
    :ivar hypervisor_types: hypervisors that can run it, in lower case

    How a compute host shows that it has the model; empty where it does not:

    :ivar kernel_parameters: module parameters that must all be on, such as
        ``kvm_amd.sev``; each parameter's name belongs to one module
    :ivar capacity_key: resource of the misc cgroup controller that counts
        its guests
    :ivar capacity_parameter: module parameter with the model's share of that
        resource; 0 where the resource is not divided
    :ivar cpuid_bit: bit of EAX in CPUID leaf 0x8000001F (AMD)
    :ivar domain_capability: element of ``<features>`` in libvirt's domain
        capabilities
    :ivar domain_capability_slots: element in it with the number of guests
    :ivar launch_security: ``sectype`` of ``<launchSecurity>`` in libvirt's
        domain capabilities
    :ivar firmware_feature: feature of QEMU's firmware descriptors
    :ivar cpu_mode: ``[libvirt] cpu_mode`` that nova demands
    :ivar cpu_family: QEMU's named CPU models that can run it are this one
        and its versions (``EPYC``, ``EPYC-Milan``)
    :ivar host_memory_divisor: the kernel keeps this fraction of the host's
        memory for the model's own use (256: a 256th); 0 for none
    :ivar slots_option: option of nova.conf, in ``[libvirt]``, that limits
        its guests
    :ivar since_nova: the first major version of nova that offers it
    :ivar since_qemu: the version of QEMU that nova demands
    :ivar first_qemu: the first version of QEMU that can run its guests
    :ivar first_libvirt: the first version of libvirt that can
    """

    name: str
    trait: str
    provider_suffix: str
    firmware_type: str = 'uefi'
    machine_type: str = 'q35'
    architectures: tuple[str, ...] = ('x86_64',)
    locks_memory: bool = False
    stateless_firmware: bool = False
    video_model: str | None = None
    secure_boot: SecureBoot = SecureBoot.WITH_SMM
    secure_boot_firmware: bool = False
    excluded_by: tuple[str, ...] = ()
    exclusion_source: str = ''
    stronger_than: tuple[str, ...] = ()
    hypervisor_types: tuple[str, ...] = ('qemu', 'kvm')
    pins_memory: bool = False
    kernel_parameters: tuple[str, ...] = ()
    capacity_key: str = ''
    capacity_parameter: str = ''
    cpuid_bit: int | None = None
    domain_capability: str = ''
    domain_capability_slots: str = ''
    launch_security: str = ''
    firmware_feature: str = ''
    cpu_mode: str = ''
    cpu_family: str = ''
    host_memory_divisor: int = 0
    slots_option: str = ''
    since_nova: int = 0
    since_qemu: tuple[int, int, int] = (0, 0, 0)
    first_qemu: tuple[int, int, int] = (0, 0, 0)
    first_libvirt: tuple[int, int, int] = (0, 0, 0)

    def __str__(self) -> str:
        return self.name

    def demands(self, key: str, value: str) -> bool:
        """Whether an extra spec or property must be what it is.

        Of those, that is, by which a request asks a trait of the hosts.
        """
        return {
            'hw_firmware_stateless': self.stateless_firmware,
            'hw_video_model': value == self.video_model,
            'os_secure_boot': self.secure_boot_firmware,
        }.get(key.replace(':', '_'), False)


BUILTIN_MODELS = (
    EncryptionModel(
        name='amd-sev',
        trait=os_traits.HW_CPU_X86_AMD_SEV,
        provider_suffix='amd_sev',
        locks_memory=True,
        pins_memory=True,
        kernel_parameters=('kvm_amd.sev',),
        capacity_key='sev',
        cpuid_bit=1,
        domain_capability='sev',
        domain_capability_slots='maxGuests',
        firmware_feature='amd-sev',
        cpu_family='EPYC',
        slots_option='num_memory_encrypted_guests',
        since_nova=31,
    ),
    EncryptionModel(
        name='amd-sev-es',
        trait=os_traits.HW_CPU_X86_AMD_SEV_ES,
        provider_suffix='amd_sev_es',
        locks_memory=True,
        excluded_by=('amd-sev-snp',),
        exclusion_source='CVE-2025-48514',
        secure_boot=SecureBoot.UNSUPPORTED,
        stronger_than=('amd-sev',),
        pins_memory=True,
        kernel_parameters=('kvm_amd.sev', 'kvm_amd.sev_es'),
        capacity_key='sev_es',
        cpuid_bit=3,
        domain_capability='sev',
        domain_capability_slots='maxESGuests',
        firmware_feature='amd-sev-es',
        cpu_family='EPYC',
        since_nova=32,
        since_qemu=(8, 0, 0),
    ),
    EncryptionModel(
        name='amd-sev-snp',
        trait=os_traits.HW_CPU_X86_AMD_SEV_SNP,
        provider_suffix='amd_sev_snp',
        stronger_than=('amd-sev', 'amd-sev-es'),
        stateless_firmware=True,
        secure_boot=SecureBoot.UNSUPPORTED,
        pins_memory=True,
        kernel_parameters=('kvm_amd.sev', 'kvm_amd.sev_snp'),
        # SEV-SNP takes its ASIDs from those of SEV-ES.
        capacity_key='sev_es',
        # Linux 6.18: ciphertext hiding parts them again.
        capacity_parameter='kvm_amd.ciphertext_hiding_asids',
        cpuid_bit=4,
        domain_capability='sev',
        domain_capability_slots='maxESGuests',
        launch_security='sev-snp',
        firmware_feature='amd-sev-snp',
        cpu_family='EPYC',
        since_nova=34,
        first_qemu=(9, 1, 0),
        first_libvirt=(10, 5, 0),
    ),
    EncryptionModel(
        name='intel-tdx',
        trait=os_traits.HW_CPU_X86_INTEL_TDX,
        provider_suffix='intel_tdx',
        stronger_than=('amd-sev', 'amd-sev-es'),
        stateless_firmware=True,
        secure_boot=SecureBoot.WITHOUT_SMM,
        secure_boot_firmware=True,
        video_model='none',
        pins_memory=True,
        kernel_parameters=('kvm_intel.tdx',),
        capacity_key='tdx',
        domain_capability='tdx',
        firmware_feature='intel-tdx',
        cpu_mode='host-passthrough',
        # PAMT (Linux, Documentation/arch/x86/tdx.rst).
        host_memory_divisor=256,
        slots_option='num_intel_tdx_guests',
        since_nova=34,
        first_qemu=(10, 1, 0),
        first_libvirt=(11, 6, 0),
    ),
)


def parameter_name(parameter: str) -> str:
    """Return the name of ``module.name`` in the kernel's notation."""
    return parameter.rpartition('.')[2]


def parameters_of(model: EncryptionModel) -> tuple[str, ...]:
    """Return every module parameter that a model's row names."""
    share = model.capacity_parameter
    return (*model.kernel_parameters, *([share] if share else ()))
