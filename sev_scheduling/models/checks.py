"""What a model that a package brings must be."""

from __future__ import annotations

import re
from collections.abc import Callable

import os_traits

from sev_scheduling.exceptions import ModelError
from sev_scheduling.models.model import (
    EncryptionModel,
    SecureBoot,
    parameters_of,
)
from sev_scheduling.text import CUSTOM_NAME

_NAME = re.compile(r'[a-z0-9]+(-[a-z0-9]+)*')

_SUFFIX = re.compile(r'[a-z0-9]+(_[a-z0-9]+)*')

_WORD = re.compile(r'[A-Za-z0-9_-]*')

_PARAMETER = re.compile(r'[a-z0-9_]+\.[a-z0-9_]+')


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ''


def _is_word(value: object) -> bool:
    return isinstance(value, str) and _WORD.fullmatch(value) is not None


def _are_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(map(_is_text, value))


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value < 1000


#: Fields of a plug-in's model, what their values must be, and the remedy.
_FIELDS: tuple[tuple[tuple[str, ...], Callable[[object], bool], str], ...] = (
    (
        ('name', 'trait', 'provider_suffix', 'firmware_type', 'machine_type'),
        _is_text,
        'give text that is not empty',
    ),
    (
        ('architectures', 'hypervisor_types'),
        lambda value: _are_texts(value) and value != (),
        'give a tuple of texts',
    ),
    (
        ('excluded_by', 'kernel_parameters', 'stronger_than'),
        _are_texts,
        'give a tuple of texts',
    ),
    (
        (
            *('capacity_key', 'domain_capability', 'domain_capability_slots'),
            *('launch_security', 'firmware_feature', 'cpu_mode'),
            *('cpu_family', 'slots_option'),
        ),
        _is_word,
        'give a name, or leave it out',
    ),
    (
        ('cpuid_bit',),
        lambda value: value is None or _is_number(value),
        'give the number of a bit, or leave it out',
    ),
    (
        (
            *('locks_memory', 'pins_memory', 'stateless_firmware'),
            'secure_boot_firmware',
        ),
        lambda value: isinstance(value, bool),
        'give True or False',
    ),
    (
        ('secure_boot',),
        lambda value: value in [*SecureBoot],
        'give a member of SecureBoot',
    ),
    (
        ('video_model',),
        lambda value: value is None or _is_text(value),
        'give text, or None',
    ),
    (
        ('exclusion_source', 'capacity_parameter'),
        lambda value: isinstance(value, str),
        'give text',
    ),
    (
        ('since_nova', 'host_memory_divisor'),
        _is_number,
        'give a number such as 34',
    ),
    (
        ('since_qemu', 'first_qemu', 'first_libvirt'),
        lambda value: (
            isinstance(value, tuple)
            and len(value) == 3
            and all(map(_is_number, value))
        ),
        'give three numbers such as (8, 0, 0)',
    ),
)


def checked_model(model: object, origin: str) -> EncryptionModel:
    """Return what a package gives, where it is a model that can be used.

    :param origin: begins every error
    :raises ModelError: names the field, its value and the remedy
    """
    if not isinstance(model, EncryptionModel):
        raise ModelError(
            f'{origin} is {type(model).__name__}, not an EncryptionModel; '
            'let the entry point name an EncryptionModel instance.'
        )
    for names, valid, remedy in _FIELDS:
        for name in names:
            value = getattr(model, name)
            if not valid(value):
                raise ModelError(f'{origin} has {name}={value!r}; {remedy}.')
    for value in parameters_of(model):
        if not _PARAMETER.fullmatch(value):
            raise ModelError(
                f'{origin} has the kernel parameter {value!r}; give the '
                'module and its parameter, such as kvm_amd.sev.'
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
    if not CUSTOM_NAME.fullmatch(model.trait) and (
        model.trait not in os_traits.get_traits()
    ):
        raise ModelError(
            f'{origin} has the trait {model.trait!r}, which os-traits does '
            'not know; use a CUSTOM_ trait.'
        )
    return model
