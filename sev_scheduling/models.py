"""What each memory encryption technology demands, one row each.

The values follow nova 34 (2026.2). Further models come from packages that
name an :class:`EncryptionModel` in the entry point group
``sev_scheduling.models``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import os_traits

from sev_scheduling.exceptions import ModelError

ENTRY_POINT_GROUP = 'sev_scheduling.models'

#: The model of a request that asks for encryption and names none (nova).
DEFAULT_MODEL = 'amd-sev'


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
    :ivar locks_memory: guest memory is pinned, so cannot be overcommitted
    :ivar stateless_firmware: ``hw_firmware_stateless`` must be true
    :ivar video_model: ``hw_video_model`` that the image must have, or None
    :ivar excluded_by: models that must not share a host with it
    :ivar exclusion_source: why not, such as a CVE
    :ivar hypervisor_types: hypervisors that can run it, in lower case
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
    excluded_by: tuple[str, ...] = ()
    exclusion_source: str = ''
    hypervisor_types: tuple[str, ...] = ('qemu', 'kvm')

    def __str__(self) -> str:
        return self.name


BUILTIN_MODELS = (
    EncryptionModel(
        name='amd-sev',
        trait=os_traits.HW_CPU_X86_AMD_SEV,
        provider_suffix='amd_sev',
        locks_memory=True,
    ),
    EncryptionModel(
        name='amd-sev-es',
        trait=os_traits.HW_CPU_X86_AMD_SEV_ES,
        provider_suffix='amd_sev_es',
        locks_memory=True,
        excluded_by=('amd-sev-snp',),
        exclusion_source='CVE-2025-48514',
    ),
    EncryptionModel(
        name='amd-sev-snp',
        trait=os_traits.HW_CPU_X86_AMD_SEV_SNP,
        provider_suffix='amd_sev_snp',
        stateless_firmware=True,
    ),
    EncryptionModel(
        name='intel-tdx',
        trait=os_traits.HW_CPU_X86_INTEL_TDX,
        provider_suffix='intel_tdx',
        stateless_firmware=True,
        video_model='none',
    ),
)

_NAME = re.compile(r'[a-z0-9]+(-[a-z0-9]+)*')
_SUFFIX = re.compile(r'[a-z0-9]+(_[a-z0-9]+)*')
_CUSTOM_TRAIT = re.compile(r'CUSTOM_[A-Z0-9_]{1,248}')

#: What the values of a plug-in's model must be.
_TEXTS = ('name', 'trait', 'provider_suffix', 'firmware_type', 'machine_type')
_LISTS = ('architectures', 'hypervisor_types')


def _check(model: object, origin: str) -> EncryptionModel:
    if not isinstance(model, EncryptionModel):
        raise ModelError(
            f'{origin} is {type(model).__name__}, not an EncryptionModel; '
            'let the entry point name an EncryptionModel instance.'
        )
    for name in _TEXTS:
        value = getattr(model, name)
        if not isinstance(value, str) or not value:
            raise ModelError(
                f'{origin} has {name}={value!r}; give text that is not empty.'
            )
    for name in (*_LISTS, 'excluded_by'):
        value = getattr(model, name)
        if not (
            isinstance(value, tuple)
            and all(isinstance(item, str) and item for item in value)
            and (value or name not in _LISTS)
        ):
            raise ModelError(
                f'{origin} has {name}={value!r}; give a tuple of texts.'
            )
    if not _NAME.fullmatch(model.name):
        raise ModelError(
            f'{origin} has the name {model.name!r}; use lower case words '
            'joined by dashes, such as arm-cca.'
        )
    if not _SUFFIX.fullmatch(model.provider_suffix):
        raise ModelError(
            f'{origin} has the provider suffix {model.provider_suffix!r}; '
            'use lower case words joined by underscores, such as arm_cca.'
        )
    if not _CUSTOM_TRAIT.fullmatch(model.trait) and (
        model.trait not in os_traits.get_traits()
    ):
        raise ModelError(
            f'{origin} has the trait {model.trait!r}, which os-traits does '
            'not know; use a CUSTOM_ trait.'
        )
    return model


@functools.cache
def registered_models() -> Mapping[str, EncryptionModel]:
    """Return every model, built in or from a plug-in, by its name.

    :raises ModelError: where a plug-in cannot be loaded, or its model is no
        model, has an unusable value, or takes the name, trait or provider
        suffix of another
    """
    # Most requests are unencrypted and never need this.
    from stevedore import ExtensionManager

    def fail(
        manager: object, entry_point: object, error: BaseException
    ) -> None:
        raise ModelError(
            f'Entry point {entry_point} of group {ENTRY_POINT_GROUP} cannot '
            f'be loaded: {error}; mend or remove the package.'
        ) from error

    models = {model.name: model for model in BUILTIN_MODELS}
    extensions: ExtensionManager[object] = ExtensionManager(
        ENTRY_POINT_GROUP, on_load_failure_callback=fail
    )
    for extension in sorted(extensions, key=lambda e: e.name):
        origin = f'Encryption model {extension.entry_point_target}'
        model = _check(extension.plugin, origin)
        for other in models.values():
            for name in ('name', 'trait', 'provider_suffix'):
                value = getattr(model, name)
                if value == getattr(other, name):
                    raise ModelError(
                        f'{origin} has {name}={value!r}, which is taken by '
                        f'{other.name}; choose another.'
                    )
        models[model.name] = model
    return MappingProxyType(models)


def find_model(name: str) -> EncryptionModel | None:
    """Return the model of this name, or None where nobody registered it."""
    return registered_models().get(name)


@functools.cache
def model_traits() -> Mapping[str, EncryptionModel]:
    """Return every model by its trait."""
    return MappingProxyType(
        {model.trait: model for model in registered_models().values()}
    )
