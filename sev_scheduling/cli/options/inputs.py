"""The options that name a flavor and an image, and what they hold."""

from __future__ import annotations

import argparse
import os
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from sev_scheduling.cli.options.clouds import asks_cloud, open_cloud
from sev_scheduling.documents import named, read_document
from sev_scheduling.exceptions import InputError, SpecError
from sev_scheduling.models import registered_models
from sev_scheduling.request.parsing import parse
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.request.sources import flavor_view, image_view
from sev_scheduling.text import MAX_AMOUNT, quoted

_STDIN = '-'

#: QEMU's machine types of x86_64, those of distributions too (``ubuntu``,
#: ``rhel6.6.0``), and the one that models of other architectures go by.
_MACHINE_TYPE = re.compile(
    r'(?:pc|q35|microvm|isapc|xenfv|xenpv|nitro|ubuntu|rhel[0-9]+|virt)'
    r'(?:[.-][A-Za-z0-9._-]{1,90})?'
)


def whole(first: int, last: int = MAX_AMOUNT) -> Callable[[str], int]:
    """Return what reads an option's number; for argparse."""

    def number(text: str) -> int:
        # What int() takes and people do not write: '1_0', a digit of Arabic.
        if re.fullmatch('[0-9]{1,10}', text) and (first <= int(text) <= last):
            return int(text)
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is not a whole number from {first} to {last}'
        )

    return number


positive = whole(1)


def a_uuid(text: str) -> str:
    """Read a uuid; for argparse."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is not a uuid; give such as '
            '01982f5e-7b2a-7c44-9f0e-3c1f6f0d9a11'
        ) from None


def a_file(text: str) -> str:
    """Read the path of a file that is there; for argparse."""
    if not os.path.isfile(text):
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is no file; give the path of one'
        )
    return text


def model(text: str) -> str:
    """Read the name of a model; for argparse."""
    if text not in registered_models():
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is not a known model; known are '
            f'{", ".join(registered_models())}'
        )
    return text


def machine_type(text: str) -> str:
    """Read the name of a machine type; for argparse."""
    if not _MACHINE_TYPE.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is no machine type of QEMU; give such as pc, '
            'q35 or pc-q35-8.2'
        )
    return text


def owner(text: str) -> str:
    """Read who holds claims, a user of Placement's; for argparse."""
    if not 0 < len(text) <= 255 or not text.isprintable():
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is no name of 1 to 255 printable characters'
        )
    return text


#: What is in a file or in the cloud.
_NOUNS = ('flavor', 'image', 'volume', 'server')


def add_request_options(
    parser: argparse.ArgumentParser,
    *,
    required: bool = True,
    model_help: str = '',
) -> None:
    """Add the options.

    :param required: a flavor has to be given
    :param model_help: what a model means without a flavor, if anything
    """
    in_openstack = bool(parser.get_default('connect'))
    group = parser.add_argument_group(
        'request',
        None
        if in_openstack
        else 'FILE is JSON or YAML, as "openstack … show -f json" prints it; '
        '- for standard input. What is no file is a name or an id in the '
        'OpenStack cloud; ./ before it makes it a file for sure',
    )
    metavar = 'NAME|ID' if in_openstack else 'FILE|NAME|ID'
    group.add_argument(
        '--flavor', metavar=metavar, required=required, help='the flavor'
    )
    booted = group.add_mutually_exclusive_group()
    booted.add_argument(
        '--image',
        metavar=metavar,
        help='the image'
        if in_openstack
        else 'the image, or a bootable volume in a file',
    )
    booted.add_argument(
        '--volume',
        metavar=metavar,
        help='the bootable volume that is booted from in place of an image',
    )
    group.add_argument(
        '--boot-from-volume',
        action='store_true',
        help='the root disk is a volume and takes no space on the host',
    )
    group.add_argument(
        '--model',
        metavar='MODEL',
        type=model,
        action='append',
        default=[],
        dest='models',
        help=f'{model_help}a model that will do, where flavor and image ask '
        'for encryption and name none (default: amd-sev); may be repeated, '
        'the best first',
    )


def read_request(parsed_args: argparse.Namespace) -> EncryptionRequest:
    """Read what the flavor and the image ask for.

    :raises InputError: if a file cannot be read, or the cloud has nothing by
        that name
    :raises CloudError: if the cloud does not show it
    :raises SpecError: if it has no flavor or image in it
    """
    flavor, _ = read_input('flavor', parsed_args)
    booted = 'image' if parsed_args.image is not None else 'volume'
    image, _ = read_input(booted, parsed_args)
    _check_shape('flavor', flavor_view, flavor, parsed_args)
    if image is not None:
        _check_shape(booted, image_view, image, parsed_args)
    of_volume = isinstance(image, Mapping) and 'volume_image_metadata' in image
    return parse(
        flavor,
        image,
        boot_from_volume=parsed_args.boot_from_volume or of_volume,
        models=parsed_args.models,
    )


def _check_shape(
    noun: str,
    view: Callable[[Any], object],
    document: Any,
    parsed_args: argparse.Namespace,
) -> None:
    """Say by which option something came that has not the shape for it."""
    try:
        view(document)
    except SpecError as error:
        source = named(getattr(parsed_args, noun))
        raise SpecError(f'--{noun} {source}: {error}') from error


def read_input(noun: str, parsed_args: argparse.Namespace) -> tuple[Any, bool]:
    """Return what an option names, and whether it is of the cloud.

    :returns: None where the option is not given
    :raises InputError: if a file cannot be read, or the cloud has nothing by
        that name
    :raises CloudError: if the cloud does not show it
    """
    source = getattr(parsed_args, noun)
    if source is None:
        return None, False
    if not source:
        raise InputError(
            f'--{noun} is empty; give the name, the id or a file of one.'
        )
    if parsed_args.connect:
        return getattr(open_cloud(parsed_args), noun)(source), True
    _check_stdin(parsed_args)
    if not _is_file(source) and asks_cloud(parsed_args):
        try:
            return getattr(open_cloud(parsed_args), noun)(source), True
        except InputError as error:
            raise InputError(
                f'--{noun} {quoted(source)} is no file. {error}'
            ) from error
    document = read_document(source)
    if document is None:
        raise InputError(
            f'--{noun} {quoted(source)} holds nothing; give what '
            f"'openstack {noun} show -f json' prints."
        )
    if not isinstance(document, Mapping):
        raise InputError(
            f'--{noun} {quoted(source)} is a {type(document).__name__}, not '
            f"an object; give what 'openstack {noun} show -f json' prints."
        )
    return document, False


def _check_stdin(parsed_args: argparse.Namespace) -> None:
    piped = [
        f'--{option}'
        for option in (*_NOUNS, 'cloud')
        if getattr(parsed_args, option, None) == _STDIN
    ]
    if len(piped) > 1:
        raise InputError(
            f'{" and ".join(piped)} are all -; standard input can be only '
            'one of them.'
        )


def _is_file(source: str) -> bool:
    return source == _STDIN or os.path.exists(source) or '/' in source
