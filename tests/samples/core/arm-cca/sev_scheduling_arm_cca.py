"""What the Arm Confidential Compute Architecture demands."""

from sev_scheduling import EncryptionModel

ARM_CCA = EncryptionModel(
    name='arm-cca',
    trait='CUSTOM_HW_CPU_ARM_CCA',
    provider_suffix='arm_cca',
    machine_type='virt',
    architectures=('aarch64',),
    pins_memory=True,
    kernel_parameters=('kvm_arm.cca',),
    capacity_key='cca',
    domain_capability='cca',
    domain_capability_slots='maxRealms',
    firmware_feature='arm-cca',
)
