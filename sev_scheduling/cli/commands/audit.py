"""The command ``audit``."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sev_scheduling.audit.audit import audit
from sev_scheduling.audit.plan import plan
from sev_scheduling.audit.results import Audit as Found
from sev_scheduling.audit.results import Item
from sev_scheduling.cli.fixing import Fixing, fixes_asked_for
from sev_scheduling.cli.options.clouds import add_cloud_option, open_cloud
from sev_scheduling.cli.options.inputs import machine_type
from sev_scheduling.cli.output import Cell
from sev_scheduling.documents import named, read_document
from sev_scheduling.exceptions import InputError, SpecError
from sev_scheduling.explain.request_page import (
    AuditPage,
    names,
    nothing_to_audit,
    said,
)
from sev_scheduling.problems import Severity
from sev_scheduling.request.sources import flavor_view, image_view
from sev_scheduling.text import quoted

#: Bytes that a file with many flavors or images may have.
_MOST_BYTES = 256 * 1024 * 1024

_SUFFIXES = ('.json', '.yaml', '.yml')


class Audit(Fixing):
    """Validate every flavor with every image, of a cloud or of files

    Says which pairs are encrypted and which can never run, each reason once
    with how many pairs it spoils, and the commands that fix the most. Exit
    status as nova-status: 0 success, 1 warnings, or nothing to audit, 2
    failures; 255 for bad usage, and what cannot be read or changed. With
    --apply it is about what is left once all changes are made.

    Example::

        $ sev-scheduling audit --os-cloud mycloud
        $ sev-scheduling audit --flavors flavors --images images
        $ openstack memory encryption audit --apply --accept ubuntu-24.04
    """

    columns: tuple[str, ...] = (
        *('Code', 'Severity', 'Model', 'Where', 'Pairs', 'Flavors', 'Images'),
        'Message',
    )
    usage_status = 255
    #: As nova-status: success, warnings, failures.
    statuses: Mapping[Severity | None, int] = {
        None: 0,
        Severity.WARNING: 1,
        Severity.ERROR: 2,
    }

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        if not self.in_openstack:
            for noun in ('flavor', 'image'):
                parser.add_argument(
                    f'--{noun}s',
                    metavar='PATH',
                    help=f'a folder of files, each as "openstack {noun} show '
                    '-f json" prints it, or one file with a list of them '
                    f'(default: the {noun}s of the cloud)',
                )
        add_cloud_option(parser)
        parser.add_argument(
            '--machine-type',
            metavar='TYPE',
            type=machine_type,
            help="the hosts' default machine type, where it is known",
        )
        self.add_fix_options(parser)

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], list[Sequence[Any]]]:
        of_files = getattr(parsed_args, 'flavors', None) or getattr(
            parsed_args, 'images', None
        )
        if parsed_args.apply and of_files:
            raise InputError(
                '--apply changes what is in a cloud; leave --flavors and '
                '--images out.'
            )
        return super().take_action(parsed_args)

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        flavors, images, left_out = self._read(parsed_args)
        if not (flavors and images):
            text = nothing_to_audit(len(flavors), len(images))
            self.say(text, text, no=True)
            # What was not looked at is not known to be well.
            self.status = self.statuses[Severity.WARNING]
            return []
        if fixes_asked_for(parsed_args):
            cloud = open_cloud(parsed_args) if parsed_args.apply else None
            planned = functools.partial(plan, flavors, images)
            return self.fixes(parsed_args, planned, cloud)
        found = audit(flavors, images, machine_type=parsed_args.machine_type)
        page = AuditPage(found, left_out)
        self.answer(page.operator(), page.commands)
        self.status = self.statuses[found.severity]
        return _rows(found)

    def _read(
        self, parsed_args: argparse.Namespace
    ) -> tuple[list[Any], list[Any], int]:
        of_flavors = getattr(parsed_args, 'flavors', None)
        of_images = getattr(parsed_args, 'images', None)
        if '' in (of_flavors, of_images):
            raise InputError(
                '--flavors or --images is empty; give a folder or a file.'
            )
        if of_flavors and of_images:
            flavors = [*_documents(of_flavors, 'flavor', flavor_view)]
            images = [*_documents(of_images, 'image', image_view)]
        elif of_flavors or of_images:
            raise InputError(
                'Give both --flavors and --images, or neither for the cloud.'
            )
        else:
            cloud = open_cloud(parsed_args)
            flavors, images = cloud.flavors(), cloud.images()
            if cloud.has_volumes():
                images += cloud.bootable_volumes()
        usable = [image for image in images if _is_usable(image)]
        return flavors, usable, len(images) - len(usable)


def _is_usable(image: Any) -> bool:
    """Whether servers can boot from an image or a volume."""
    if image.get('volume_image_metadata') is not None:
        return image.get('bootable') not in ('false', False)
    return image.get('status', 'active') == 'active' and (
        image.get('disk_format') not in ('aki', 'ari')
    )


def _documents(path: str, noun: str, read: Any) -> Iterator[dict[str, Any]]:
    """Yield what a folder of files, or one file, holds.

    :raises InputError: naming the file
    """
    place = Path(path)
    files = [place]
    if place.is_dir():
        files = sorted(
            file for file in place.iterdir() if file.suffix in _SUFFIXES
        )
    if not files:
        raise InputError(
            f'--{noun}s {quoted(path)} has no file that ends with '
            f'{", ".join(_SUFFIXES)}.'
        )
    for file in files:
        document = read_document(file, _MOST_BYTES)
        if isinstance(document, dict):
            document = document.get(f'{noun}s', [document])
        if not isinstance(document, list):
            document = [document]
        for entry in document:
            thing = _lowered(entry)
            if thing is not entry and 'properties' not in thing:
                raise InputError(
                    f'File {named(file)} is a list without properties; give '
                    f"what 'openstack {noun} show -f json' prints of each."
                )
            try:
                read(thing)
            except SpecError as error:
                raise InputError(f'File {named(file)}: {error}') from None
            yield thing


def _lowered(entry: Any) -> Any:
    """Return a row of ``openstack flavor list --long`` by Nova's names."""
    if not isinstance(entry, dict) or 'Name' not in entry:
        return entry
    return {key.lower().replace(' ', '_'): entry[key] for key in entry}


def _labels(items: Sequence[Item]) -> Cell:
    return Cell([item.label for item in items], names(items))


def _rows(found: Found) -> Iterator[Sequence[Any]]:
    for entry in found.problems:
        problem = entry.problem
        yield (
            str(problem.code),
            str(problem.severity),
            problem.model,
            problem.where,
            entry.pairs,
            _labels(entry.flavors),
            _labels(entry.images),
            said(entry),
        )
