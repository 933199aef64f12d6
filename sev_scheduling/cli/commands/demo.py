"""The command ``demo``."""

from __future__ import annotations

import argparse
import contextlib
import importlib.resources
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sev_scheduling.cli import NAME, terminal
from sev_scheduling.cli.options.inputs import whole
from sev_scheduling.cli.output import Plain
from sev_scheduling.documents import read_document
from sev_scheduling.exceptions import InputError, NoCapacity, needed
from sev_scheduling.explain.explanation import (
    Explanation,
    explain,
)
from sev_scheduling.explain.host_rows import where_it_fits
from sev_scheduling.hosts.host import Host
from sev_scheduling.prefilter import translate
from sev_scheduling.request.parsing import parse
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.rules.validation import validate
from sev_scheduling.text import counted

if TYPE_CHECKING:
    from sev_scheduling.placement import PlacedInstance, PlacementClient

_LABEL = 8

#: Hosts that a line names.
_MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Case:
    """Guests that the demo asks for, on a cloud that nobody else uses.

    :ivar before: how many equal guests are placed first
    :ivar count: how many equal guests the case is about
    :ivar models: those that will do, the best first; as flavor and image
        say where it is empty
    """

    title: str
    flavor: str
    image: str
    count: int = 1
    before: int = 0
    models: tuple[str, ...] = ()


#: The first ones are shown unless others are asked for.
CASES = (
    Case('A guest with AMD SEV is placed', 'm1.sev', 'ubuntu-24.04-sev'),
    Case(
        'The image leaves the machine type to the hosts, and theirs is wrong',
        'm1.sev',
        'debian-13-uefi',
        count=4,
    ),
    Case(
        'All slots are taken',
        'm1.sev',
        'ubuntu-24.04-sev',
        before=99,
    ),
    Case(
        'Guests without encryption stay off the hosts with slots',
        'm1.large',
        'ubuntu-24.04',
        count=3,
    ),
    Case('An image that is not made for it', 'm1.sev', 'legacy-appliance'),
    Case(
        'SEV-ES, which must not share a host with SEV-SNP',
        'm1.sev-es',
        'ubuntu-24.04-sev',
    ),
    Case(
        'SEV-SNP, whose firmware keeps no state',
        'm1.sev-snp',
        'ubuntu-24.04-snp',
    ),
    Case(
        'SEV-SNP on an image without UEFI, q35 and stateless firmware',
        'm1.sev-snp',
        'ubuntu-24.04',
    ),
    Case('Intel TDX', 'm1.tdx', 'ubuntu-24.04-tdx'),
    Case(
        'The flavor says no, the image says yes',
        'm1.plain',
        'fedora-43-encrypted',
    ),
    Case(
        'A guest that is too large for every host with a free slot',
        'r1.sev-huge',
        'ubuntu-24.04-sev',
    ),
    Case(
        'The best there is: SEV-SNP, else SEV',
        'm1.sev',
        'ubuntu-24.04-snp',
        models=('amd-sev-snp', 'amd-sev'),
    ),
)

STORY = 4


class Demo(Plain):
    """Place guests on a cloud of some forty hosts, and tell the story

    Loads examples/cloud.yaml into a real Placement, in this process and on
    a temporary database, and prints what was asked, what the hosts said, and
    where the guests went or why nowhere. Four cases tell the story; each
    begins with the same cloud. A case of its own also shows what Placement
    was asked.

    Example::

        $ sev-scheduling demo
        $ sev-scheduling demo --list
        $ sev-scheduling demo 9
    """

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            'numbers',
            metavar='N',
            type=whole(1, len(CASES)),
            nargs='*',
            help='show these cases (default: the first four)',
        )
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            '--all', action='store_true', help='show every case'
        )
        which.add_argument(
            '--list', action='store_true', help='list the cases'
        )

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        stdout = self.app.stdout
        numbers = parsed_args.numbers
        if numbers and (parsed_args.all or parsed_args.list):
            raise InputError('Give numbers of cases, --all or --list.')
        if parsed_args.list:
            for number, case in enumerate(CASES, 1):
                stdout.write(f'{number:2}  {case.title}\n')
            return
        wanted = numbers or range(1, STORY + 1)
        if parsed_args.all:
            wanted = range(1, len(CASES) + 1)
        examples = importlib.resources.files('sev_scheduling') / 'examples'
        with importlib.resources.as_file(examples) as folder:
            story = _Story(folder, stdout, bool(numbers or parsed_args.all))
            story.begin()
            for number in wanted:
                story.show(number, CASES[number - 1])
            story.end(parsed_args.all)


class _Story:
    """Asks, places and prints, case by case.

    :param folder: with cloud.yaml, flavors/ and images/
    :param details: whether to show warnings and what Placement is asked
    """

    def __init__(self, folder: Path, stream: TextIO, details: bool) -> None:
        self._folder = folder
        self._stream = stream
        self._details = details
        # Folded for a file, too: it is read as a text.
        self._columns = terminal.width(stream) or terminal.MAX_WIDTH

    @contextlib.contextmanager
    def _cloud(self) -> Iterator[PlacementClient]:
        with needed('embedded', 'The demo'):
            # Placement and its libraries are needed by this command alone.
            from sev_scheduling.placement import (
                PlacementClient,
                embedded_placement,
                load_cloud,
                read_cloud_file,
            )
        with embedded_placement() as adapter:
            load_cloud(adapter, read_cloud_file(self._folder / 'cloud.yaml'))
            yield PlacementClient(adapter)

    def begin(self) -> None:
        with self._cloud() as client:
            hosts = client.hosts()
        self._heading(
            f'The {counted(len(hosts), "host")} of examples/cloud.yaml, in a '
            'real Placement in this process'
        )
        self._pools(hosts)

    def show(self, number: int, case: Case) -> None:
        self._line('')
        self._heading(f'{number}. {case.title}')
        request = self._read(case)
        validation = validate(request)
        with self._cloud() as client:
            if case.before:
                self._asked(case, request, case.before)
                placed = client.schedule(validation, case.before)
                self._field('Placed', _where(placed), terminal.GREEN)
            self._asked(case, request, case.count)
            if validation.errors or (validation and self._details):
                self._explain('Check', explain(validation))
            if validation.errors:
                self._field(
                    'Refused', 'before any host is asked', terminal.RED
                )
                return
            if self._details:
                query = translate(validation).querystring()
                self._field('Query', query.replace('&', '\n&'))
            found = client.feasibility(validation)
            explanation = explain(found)
            fits = '' if len(found.fit) > case.count else where_it_fits(found)
            self._explain('Hosts', explanation, fits)
            try:
                placed = client.schedule(validation, case.count)
            except NoCapacity as error:
                self._field('Nowhere', str(error), terminal.RED)
                if not found.fit:
                    text = explanation.tenant()
                    self._field('User', text, whole=explanation.commands)
                return
        self._field('Placed', _where(placed), terminal.GREEN)

    def end(self, everything: bool) -> None:
        self._line('')
        more = '' if everything else f'More cases: {NAME} demo --list. '
        self._line(f'{more}Your own flavors and hosts: {NAME} explain --help.')

    def _read(self, case: Case) -> EncryptionRequest:
        flavor = read_document(self._folder / f'flavors/{case.flavor}.json')
        image = read_document(self._folder / f'images/{case.image}.json')
        return parse(flavor, image, models=case.models)

    def _asked(
        self, case: Case, request: EncryptionRequest, count: int
    ) -> None:
        self._field(
            'Asked',
            f'{counted(count, "guest")} of flavor {case.flavor} and image '
            f'{case.image}: {request.model_name or "not encrypted"}',
        )

    def _pools(self, hosts: Iterable[Host]) -> None:
        pools = [p for host in hosts for p in host.pools.items()]
        for model in sorted({model for model, _ in pools}):
            mine = [pool for name, pool in pools if name == model]
            used = sum(pool.used for pool in mine)
            usable = sum(pool.capacity for pool in mine)
            bar = terminal.bar(used, usable, self._stream, 30)
            self._line(
                f'  {model:11}  {bar}  {used:3} of {usable:3} slots in use '
                f'on {len(mine):2} {"host" if len(mine) == 1 else "hosts"}'
            )

    def _heading(self, text: str) -> None:
        self._line(terminal.paint(text, terminal.BOLD, self._stream))

    def _explain(
        self, label: str, explanation: Explanation, more: str = ''
    ) -> None:
        text = '\n'.join(filter(None, (explanation.operator(), more)))
        self._field(label, text, whole=explanation.commands)

    def _field(
        self,
        label: str,
        text: str,
        style: int = terminal.DIM,
        whole: Iterable[str] = (),
    ) -> None:
        name = terminal.paint(f'{label:{_LABEL}}', style, self._stream)
        text = terminal.fold(text, self._columns - _LABEL, whole)
        for line in text.splitlines():
            self._line(f'{name}{line}')
            name = ' ' * _LABEL

    def _line(self, text: str) -> None:
        self._stream.write(f'{text}\n')


def _where(placed: Sequence[PlacedInstance]) -> str:
    hosts = Counter(p.host for p in placed)
    if len(placed) == 1:
        model = placed[0].model
        return f'{placed[0].host}' + (f', {model}' if model else '')
    first = hosts.most_common(_MOST_NAMES)
    named = ', '.join(f'{count} on {host}' for host, count in first)
    more = len(hosts) - len(first)
    if not more:
        return named
    rest = len(placed) - sum(count for _, count in first)
    return f'{named} and {rest} on {counted(more, "other host")}'
