"""The options that name a flavor and an image, and what they hold."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from sev_scheduling.documents import read_document
from sev_scheduling.exceptions import InputError
from sev_scheduling.request.request import EncryptionRequest, parse
from sev_scheduling.text import MAX_AMOUNT, quoted

_STDIN = '-'


def positive(text: str) -> int:
    """Read an option's number; for argparse."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 0 < number <= MAX_AMOUNT:
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is not a whole number from 1 to {MAX_AMOUNT}'
        )
    return number


def owner(text: str) -> str:
    """Read who holds claims, a user of Placement's; for argparse."""
    if not 0 < len(text) <= 255 or not text.isprintable():
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is no name of 1 to 255 printable characters'
        )
    return text


def add_request_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('request')
    group.add_argument(
        '--flavor',
        metavar='FILE',
        required=True,
        help="JSON or YAML, as 'openstack flavor show -f json' prints it; - "
        'for standard input',
    )
    group.add_argument(
        '--image',
        metavar='FILE',
        help="JSON or YAML, as 'openstack image show -f json' prints it, or "
        "'openstack volume show -f json' for a bootable volume; - for "
        'standard input',
    )
    group.add_argument(
        '--boot-from-volume',
        action='store_true',
        help='the root disk is a volume and takes no space on the host',
    )
    group.add_argument(
        '--model',
        metavar='MODEL',
        action='append',
        default=[],
        dest='models',
        help='a model that will do, where flavor and image ask for '
        'encryption and name none (default: amd-sev); may be repeated, the '
        'best first',
    )


def read_request(parsed_args: argparse.Namespace) -> EncryptionRequest:
    """Read what the flavor and the image ask for.

    :raises InputError: if a file cannot be read
    :raises SpecError: if it has no flavor or image in it
    """
    piped = [
        f'--{option}'
        for option in ('flavor', 'image', 'cloud')
        if getattr(parsed_args, option, None) == _STDIN
    ]
    if len(piped) > 1:
        raise InputError(
            f'{" and ".join(piped)} are all -; standard input can be only '
            'one of them.'
        )
    flavor = _read('flavor', parsed_args.flavor)
    image: Any = None
    of_volume = False
    if parsed_args.image is not None:
        image = _read('image', parsed_args.image)
        of_volume = (
            isinstance(image, Mapping) and 'volume_image_metadata' in image
        )
    return parse(
        flavor,
        image,
        boot_from_volume=parsed_args.boot_from_volume or of_volume,
        models=parsed_args.models,
    )


def _read(noun: str, source: str) -> Any:
    document = read_document(source)
    if document is None:
        raise InputError(
            f'--{noun} {quoted(source)} holds nothing; give what '
            f"'openstack {noun} show -f json' prints."
        )
    return document
