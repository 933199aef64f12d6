"""Fixes in words: the exact command where one does it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from sev_scheduling.request.request import EncryptionRequest


def set_image(request: EncryptionRequest, **properties: str) -> str:
    """Say how to set properties of the image that the guest boots from."""
    pairs = [f'{key}={value}' for key, value in properties.items()]
    return _command(request, 'set', pairs)


def unset_image(request: EncryptionRequest, *keys: str) -> str:
    """Say how to remove properties of the image."""
    return _command(request, 'unset', list(keys))


def _command(request: EncryptionRequest, verb: str, values: list[str]) -> str:
    if request.image_of_volume:
        # The image's facts were copied into the volume when it was made.
        command, option, name = 'volume', '--image-property', 'VOLUME'
    else:
        command, option = 'image', '--property'
        name = shlex.quote(request.image_name or 'IMAGE')
    options = ' '.join(f'{option} {shlex.quote(v)}' for v in values)
    return f'openstack {command} {verb} {options} {name}'


def set_flavor(
    request: EncryptionRequest, extra_specs: Mapping[str, str]
) -> str:
    """Say how to set extra specs of the flavor."""
    options = ' '.join(
        f'--property {shlex.quote(f"{key}={value}")}'
        for key, value in extra_specs.items()
    )
    return f'openstack flavor set {options} {_flavor(request)}'


def unset_flavor(request: EncryptionRequest, *keys: str) -> str:
    """Say how to remove extra specs of the flavor."""
    options = ' '.join(f'--property {shlex.quote(key)}' for key in keys)
    return f'openstack flavor unset {options} {_flavor(request)}'


def _flavor(request: EncryptionRequest) -> str:
    return shlex.quote(request.flavor_name or 'FLAVOR')


def unset(request: EncryptionRequest, where: str) -> str:
    """Say how to remove what a problem's ``where`` names."""
    source, _, key = where.partition(':')
    if source == 'image':
        return unset_image(request, key)
    if source == 'flavor':
        return unset_flavor(request, key)
    return 'Leave the device out, or attach it to an unencrypted server.'
