"""The command ``demo``."""

from __future__ import annotations

import argparse
import importlib.resources
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from sev_scheduling.cli import terminal
from sev_scheduling.cli.output import Plain
from sev_scheduling.documents import read_document
from sev_scheduling.exceptions import NoCapacity
from sev_scheduling.explain.explanation import (
    Explanation,
    explain,
    where_it_fits,
)
from sev_scheduling.hosts.host import Host
from sev_scheduling.prefilter import translate
from sev_scheduling.request.request import EncryptionRequest, parse
from sev_scheduling.rules.validation import validate

if TYPE_CHECKING:
    from sev_scheduling.placement import PlacedInstance, PlacementClient

_LABEL = 8


@dataclass(frozen=True, slots=True)
class Guest:
    """A guest, or several equal ones, that the demo asks for."""

    title: str
    flavor: str
    image: str
    count: int = 1
    models: tuple[str, ...] = ()


GUESTS = (
    Guest('A guest with AMD SEV', 'm1.sev', 'ubuntu-24.04-sev'),
    Guest(
        'The same flavor, and an image that is not made for it',
        'm1.sev',
        'legacy-appliance',
    ),
    Guest(
        'An image that leaves the machine type to the hosts: four guests',
        'm1.sev',
        'debian-13-uefi',
        count=4,
    ),
    Guest('So, three of them', 'm1.sev', 'debian-13-uefi', count=3),
    Guest('And one more', 'm1.sev', 'debian-13-uefi'),
    Guest(
        'SEV-ES, which must not share a host with SEV-SNP',
        'm1.sev-es',
        'ubuntu-24.04-sev',
    ),
    Guest(
        'SEV-SNP, whose firmware keeps no state',
        'm1.sev-snp',
        'ubuntu-24.04-snp',
    ),
    Guest(
        'SEV-SNP on an image without UEFI, q35 and stateless firmware',
        'm1.sev-snp',
        'ubuntu-24.04',
    ),
    Guest('Intel TDX', 'm1.tdx', 'ubuntu-24.04-tdx'),
    Guest(
        'The flavor says no, the image says yes',
        'm1.plain',
        'fedora-43-encrypted',
    ),
    Guest(
        'A guest that is too large for every host with a free slot',
        'r1.sev-huge',
        'ubuntu-24.04-sev',
    ),
    Guest(
        'The best there is: SEV-SNP, else SEV',
        'm1.sev',
        'ubuntu-24.04-snp',
        models=('amd-sev-snp', 'amd-sev'),
    ),
    Guest(
        'A guest without encryption, which takes no slot',
        'm1.large',
        'ubuntu-24.04',
    ),
)


class Demo(Plain):
    """Place guests on a cloud of some forty hosts, and tell the story

    Loads examples/cloud.yaml into a real Placement, in this process and on
    a temporary database, and prints for each guest what was asked, what
    Placement was sent, what the hosts said, and where the guest went or why
    nowhere.

    Example::

        $ sev-scheduling demo
    """

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        # Placement and its libraries are needed by this command alone.
        from sev_scheduling.placement import (
            PlacementClient,
            embedded_placement,
            load_cloud,
            read_cloud_file,
        )

        examples = importlib.resources.files('sev_scheduling') / 'examples'
        with (
            importlib.resources.as_file(examples) as folder,
            embedded_placement() as adapter,
        ):
            load_cloud(adapter, read_cloud_file(folder / 'cloud.yaml'))
            story = _Story(PlacementClient(adapter), folder, self.app.stdout)
            story.begin()
            for number, guest in enumerate(GUESTS, 1):
                story.place(number, guest)
            story.end()


class _Story:
    """Asks, places and prints, guest by guest.

    :param client: of a Placement that holds the cloud
    :param folder: with flavors/ and images/
    """

    def __init__(
        self, client: PlacementClient, folder: Path, stream: TextIO
    ) -> None:
        self._client = client
        self._folder = folder
        self._stream = stream
        # Folded for a file, too: it is read as a text.
        self._columns = terminal.width(stream) or terminal.MAX_WIDTH
        self._last: dict[str, str] = {}
        self._details = {host.uuid: host for host in client.hosts()}

    def begin(self) -> None:
        self._heading(f'A cloud of {len(self._details)} hosts')
        self._line(
            'The hosts of examples/cloud.yaml, in a real Placement in this '
            'process.'
        )
        self._pools()

    def place(self, number: int, guest: Guest) -> None:
        self._line('')
        self._heading(f'{number}. {guest.title}')
        validation = validate(self._ask(guest))
        if validation:
            self._explain('Check', explain(validation))
        if validation.errors:
            self._field('Refused', 'before any host is asked', terminal.RED)
            return
        query = translate(validation).querystring()
        self._field('Query', query.replace('&', '\n&'))
        found = self._client.feasibility(validation, self._hosts())
        explanation = explain(found)
        self._explain('Hosts', explanation, where_it_fits(found))
        try:
            placed = self._client.schedule(validation, guest.count)
        except NoCapacity as error:
            self._field('Nowhere', str(error), terminal.RED)
            if not found.fit:
                text = explanation.tenant()
                self._field('User', text, whole=explanation.commands)
            return
        self._field('Placed', _where(placed), terminal.GREEN)
        model = placed[0].model
        if model:
            self._field('Left', _left(model, self._hosts()))

    def end(self) -> None:
        self._line('')
        self._heading('The cloud afterwards')
        self._pools()
        self._line('')
        self._line(
            'Nothing is left behind. What was read is in\n'
            f'  {self._folder}\n'
            'Now with flavors, images and hosts of your own:\n'
            '  sev-scheduling check --help\n'
            '  sev-scheduling explain --help'
        )

    def _ask(self, guest: Guest) -> EncryptionRequest:
        flavor = read_document(self._folder / f'flavors/{guest.flavor}.json')
        image = read_document(self._folder / f'images/{guest.image}.json')
        request = parse(flavor, image, models=guest.models)
        many = f'{guest.count} guests' if guest.count > 1 else 'a guest'
        model = request.model_name or 'not encrypted'
        self._field(
            'Asked',
            f'{many} of flavor {guest.flavor} and image {guest.image}: '
            f'{model}',
        )
        return request

    def _hosts(self) -> list[Host]:
        """Return the hosts; only what guests use changes while it runs."""
        hosts = []
        for host in self._client.hosts(details=False):
            known = self._details[host.uuid]
            pools = {
                model: replace(known.pools[model], used=pool.used)
                for model, pool in host.pools.items()
            }
            hosts.append(replace(known, pools=pools))
        return hosts

    def _pools(self) -> None:
        pools = [p for host in self._hosts() for p in host.pools.items()]
        self._line('')
        for model in sorted({model for model, _ in pools}):
            mine = [pool for name, pool in pools if name == model]
            used = sum(pool.used for pool in mine)
            usable = sum(pool.capacity for pool in mine)
            bar = terminal.bar(used, usable, self._stream, 30)
            self._line(
                f'  {model:11}  {bar}  {used:3} of {usable:3} slots in use '
                f'on {len(mine):2} hosts'
            )

    def _heading(self, text: str) -> None:
        self._line(terminal.paint(text, terminal.BOLD, self._stream))
        self._line(terminal.paint('-' * len(text), terminal.DIM, self._stream))

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
        if self._last.get(label) == text and '\n' in text:
            text = 'as before'
        else:
            self._last[label] = text
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
    return ', '.join(f'{count} on {host}' for host, count in hosts.items())


def _left(model: str, hosts: Iterable[Host]) -> str:
    pools = [host.pools[model] for host in hosts if model in host.pools]
    free = sum(pool.free for pool in pools)
    return f'{free} free {model} slot{"s" if free != 1 else ""}'
