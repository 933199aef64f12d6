"""The command ``host drain plan``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sev_scheduling.cli import terminal
from sev_scheduling.cli.options.clouds import (
    add_host_options,
    open_client,
    open_cloud,
)
from sev_scheduling.cli.options.inputs import positive
from sev_scheduling.cli.options.node import known, lines
from sev_scheduling.cli.output import Words
from sev_scheduling.documents import read_document
from sev_scheduling.exceptions import CloudError, InputError, SpecError
from sev_scheduling.explain.drain import words
from sev_scheduling.hosts.drain import MAX_STEPS, DrainCode, Outcome
from sev_scheduling.text import quoted

if TYPE_CHECKING:
    from sev_scheduling.cli.openstack import OpenStackCloud
    from sev_scheduling.hosts.drain import DrainPlan as Plan
    from sev_scheduling.placement.guests.servers import NovaFacts, Server

_FILES = ('flavors', 'images')


class DrainPlan(Words):
    """Plan how to empty hosts of their encrypted guests

    They can be neither live-migrated nor suspended, so each is migrated cold,
    to a host that has a slot, memory, CPUs and disk for it while it still
    holds its old place. Shows where each can go, in an order in which all
    fit if there is one, what binds where none does, and the commands to type.
    Changes nothing. None of the hosts takes a guest of another. Exit status 1
    where not all guests can move, or where it is not known what one needs.

    Servers are read from the OpenStack cloud; with --cloud or
    --placement-url, from files. Without these, what a guest holds in
    Placement stands for its flavor, and what is not known is said; guests of
    a cloud file whose servers are not known have no commands.

    Example::

        $ sev-scheduling host drain plan --os-cloud mycloud epyc-01 epyc-02
    """

    columns = (
        *('Order', 'Server', 'Name', 'From', 'To', 'Code', 'Short'),
        *('Unknown', 'Commands'),
    )

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            'hosts',
            metavar='HOST',
            nargs='+',
            help='a host to empty, by the name of its compute service or '
            'hypervisor, or the uuid of its root resource provider; several '
            'are emptied one after the other',
        )
        if not parser.get_default('connect'):
            for name, what in (
                ('servers', 'server list --long -f json" or "server show'),
                ('flavors', 'flavor list --long -f json" or "flavor show'),
                ('images', 'image show'),
            ):
                parser.add_argument(
                    f'--{name}',
                    metavar='FILE',
                    action='append',
                    default=[],
                    help=f'what "openstack {what} -f json" printed, for '
                    '--cloud and --placement-url; may be repeated',
                )
        parser.add_argument(
            '--steps',
            metavar='N',
            type=positive,
            default=MAX_STEPS,
            help='how many placements the search tries at most (default: '
            f'{MAX_STEPS})',
        )
        add_host_options(parser)

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        with open_client(parsed_args) as client:
            from sev_scheduling.placement.guests.plan import drain_plan

            nova, not_judged = _nova_facts(parsed_args)
            plan = drain_plan(
                client,
                parsed_args.hosts,
                nova,
                steps=parsed_args.steps,
            )
        self._say_what_is_missing(plan, nova, not_judged)
        self.say(
            words.describe(plan),
            words.headline(plan),
            no=plan.outcome is not Outcome.ALL,
            whole=[c for s in plan.steps for c in words.commands(plan, s)],
        )
        order = iter(range(1, len(plan.steps) + 1))
        return [
            (
                known(next(order) if s.code is DrainCode.MOVE else None),
                s.guest.instance,
                s.guest.name,
                plan.names.get(s.guest.host, s.guest.host),
                known(plan.service(s.target) if s.target else None),
                str(s.code),
                lines([*s.short]),
                lines([str(one) for one in s.unknown]),
                lines([*words.commands(plan, s)]),
            )
            for s in plan.steps
        ]

    def _say_what_is_missing(
        self,
        plan: Plan,
        nova: NovaFacts,
        not_judged: Iterable[words.NotJudged],
    ) -> None:
        """Name the servers of these hosts whose files are missing."""
        names = {plan.names[host] for host in plan.hosts}
        names |= {plan.service(host) for host in plan.hosts}
        guests = {step.guest.instance for step in plan.steps}
        stderr = self.app.stderr
        for one in not_judged:
            server = nova.servers[one.server]
            if one.server in guests or names & {server.host, server.node}:
                line = words.not_judged(one)
                print(terminal.fold(line, terminal.width(stderr)), file=stderr)


def _nova_facts(
    parsed_args: argparse.Namespace,
) -> tuple[NovaFacts, Sequence[words.NotJudged]]:
    """Return what nova says, of the cloud or of files."""
    if parsed_args.connect or not (
        parsed_args.cloud or parsed_args.state or parsed_args.placement_url
    ):
        if any(getattr(parsed_args, n, ()) for n in ('servers', *_FILES)):
            raise InputError(
                '--servers, --flavors and --images are for --cloud and '
                '--placement-url; leave them out.'
            )
        return _of_cloud(open_cloud(parsed_args)), ()
    return _of_files(parsed_args)


def _of_files(
    parsed_args: argparse.Namespace,
) -> tuple[NovaFacts, Sequence[words.NotJudged]]:
    from sev_scheduling.placement.guests.servers import NovaFacts, read_server

    if not parsed_args.servers and any(
        getattr(parsed_args, n) for n in _FILES
    ):
        raise InputError(
            '--flavors and --images are for the servers of --servers; give '
            'it as well.'
        )

    flavors, images = (
        {
            word: one
            for one in _documents(parsed_args, name)
            for word in _words(one)
        }
        for name in _FILES
    )
    servers = {}
    not_judged = []
    for row in _documents(parsed_args, 'servers'):
        try:
            bare = read_server(row)
        except SpecError as error:
            files = ', '.join(map(quoted, parsed_args.servers))
            raise InputError(f'--servers {files}: {error}') from None
        view = bare.view
        flavor = _found(flavors, view.flavor_name)
        image = _found(images, view.image_id)
        servers[view.id] = read_server(row, flavor, image)
        missing = {
            noun: name
            for noun, name, known in (
                ('flavor', view.flavor_name, view.flavor or flavor),
                ('image', view.image_id, view.image or image),
            )
            if known is None
        }
        if missing:
            not_judged.append(words.NotJudged(view.id, view.name, missing))
    made_up = bool(parsed_args.cloud or parsed_args.state)
    return NovaFacts(servers=servers, made_up=made_up), not_judged


def _documents(
    parsed_args: argparse.Namespace, name: str
) -> list[Mapping[str, Any]]:
    """Return the objects of the files that an option names."""
    found: list[Mapping[str, Any]] = []
    for path in getattr(parsed_args, name):
        document = read_document(path)
        rows = document if isinstance(document, list) else [document]
        if not rows or not all(isinstance(row, Mapping) for row in rows):
            raise InputError(
                f'--{name} {quoted(path)} has no {name} in it; give what '
                f'"openstack {name[:-1]} show -f json" prints.'
            )
        found += rows
    return found


def _words(one: Mapping[str, Any]) -> set[str]:
    """Return the names by which a server may refer to something."""
    keys = ('id', 'ID', 'name', 'Name')
    return {one[key] for key in keys if isinstance(one.get(key), str)}


def _found(
    things: Mapping[str, Mapping[str, Any]], word: str | None
) -> Mapping[str, Any] | None:
    one = things.get(word or '')
    if one is None:
        return None
    return {key.lower().replace(' ', '_'): one[key] for key in one}


def _of_cloud(cloud: OpenStackCloud) -> NovaFacts:
    from sev_scheduling.hosts.aggregates import Aggregate
    from sev_scheduling.placement.guests.servers import (
        NovaFacts,
        ServerGroup,
        Service,
        read_server,
    )

    images = _Asked(cloud.image)
    volumes = _Asked(cloud.volume)
    flavors = _Asked(cloud.flavor)

    def server(facts: Mapping[str, Any]) -> Server:
        view = read_server(facts).view
        booted = images(view.image_id) if view.image_id else None
        for volume in () if view.image_id else view.volumes:
            booted = booted or volumes(volume)
        return read_server(
            facts,
            None if view.flavor else flavors(view.flavor_name),
            booted,
        )

    services = {one['host']: one for one in cloud.compute_services()}
    return NovaFacts(
        servers={facts['id']: server(facts) for facts in cloud.servers()},
        complete=True,
        services={
            one['hypervisor_hostname']: Service(
                name=name,
                node=one['hypervisor_hostname'],
                zone=str(services[name].get('zone') or ''),
                up=services[name].get('state') == 'up'
                and services[name].get('status') == 'enabled',
            )
            for one in cloud.hypervisors()
            if (name := one['service']['host']) in services
        },
        groups=tuple(
            ServerGroup(
                one['id'],
                str(one.get('policy') or ''),
                frozenset(one.get('members') or ()),
            )
            for one in cloud.server_groups()
        ),
        aggregates=tuple(
            Aggregate(
                one['name'],
                frozenset(one.get('hosts') or ()),
                one['metadata'],
            )
            for one in cloud.aggregates()
        ),
    )


class _Asked:
    """Asks for each thing once; None of what the cloud does not show."""

    def __init__(self, ask: Callable[[str], Any]) -> None:
        self._ask = ask
        self._known: dict[str, Any] = {}

    def __call__(self, name: str | None) -> Any:
        if name is None:
            return None
        if name not in self._known:
            try:
                self._known[name] = self._ask(name)
            except (InputError, CloudError):
                # What is unknown of a server is part of the plan.
                self._known[name] = None
        return self._known[name]
