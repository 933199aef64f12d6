"""What the commands share that fix what they find."""

from __future__ import annotations

import argparse
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import TYPE_CHECKING, Any

from sev_scheduling.audit.results import Change, Item, Outcome, Plan
from sev_scheduling.cli import terminal
from sev_scheduling.cli.output import Words
from sev_scheduling.exceptions import InputError
from sev_scheduling.explain.fixes import ChangesPage, PlanPage
from sev_scheduling.models import registered_models
from sev_scheduling.problems import Caveat, Severity
from sev_scheduling.text import quoted

if TYPE_CHECKING:
    from sev_scheduling.cli.openstack import OpenStackCloud

_YES = ('y', 'yes')

_FIX_COLUMNS = (
    *('Target', 'Name', 'ID', 'Pairs', 'Fixed', 'Caveats', 'Command'),
    'Accept',
)
_APPLY_COLUMNS = (*_FIX_COLUMNS, 'Outcome', 'Error')


def fixes_asked_for(parsed_args: argparse.Namespace) -> bool:
    """Whether the fixes are wanted in place of the problems."""
    return bool(parsed_args.fix or parsed_args.apply)


class Fixing(Words):
    """A command that finds problems, and can fix them.

    :cvar statuses: the worst problem -> exit status
    """

    statuses: Mapping[Severity | None, int]

    def add_fix_options(self, parser: argparse.ArgumentParser) -> None:
        group = parser.add_argument_group(
            'fixes',
            'A fix that changes more than what is wrong has a condition, such '
            'as that an image boots with UEFI: it is applied to what --accept '
            'names, and to nothing else. Where there are several ways out, '
            'none is taken unless --accept names it',
        )
        group.add_argument(
            '--fix',
            action='store_true',
            help='print the commands that fix something, in place of the '
            'problems',
        )
        group.add_argument(
            '--apply',
            action='store_true',
            help='show these commands, ask, and make the changes in the '
            'cloud, with the rights of whoever is signed in; stops at the '
            'first that is refused',
        )
        group.add_argument(
            '--accept',
            metavar='NAME|ID[=CHOICE]',
            action='append',
            default=[],
            help='this flavor, image or volume meets the conditions of its '
            'fixes; with a choice, such as m1.sev=amd-sev-snp, take this way '
            'of several. --fix shows what to name; may be repeated',
        )
        group.add_argument(
            '--yes', action='store_true', help='with --apply: do not ask'
        )

    def run(self, parsed_args: argparse.Namespace) -> int:
        if parsed_args.apply:
            self.columns = _APPLY_COLUMNS
        elif parsed_args.fix:
            self.columns = _FIX_COLUMNS
        return super().run(parsed_args)

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], list[Sequence[Any]]]:
        # Before anything is read.
        if parsed_args.apply:
            stdin = self.app.stdin
            if not (parsed_args.yes or (stdin and stdin.isatty())):
                raise InputError(
                    '--apply asks before it changes anything, and standard '
                    'input is no terminal; add --yes to go without.'
                )
        elif parsed_args.yes:
            raise InputError('--yes is for --apply; leave it out.')
        elif parsed_args.accept and not parsed_args.fix:
            raise InputError(
                '--accept is for --fix and --apply; leave it out.'
            )
        return super().take_action(parsed_args)

    def fixes(
        self,
        parsed_args: argparse.Namespace,
        plan: Callable[..., Plan],
        cloud: OpenStackCloud | None,
    ) -> Iterable[Sequence[Any]]:
        """Return rows of the fixes, once they are made where that is asked.

        :param plan: plans what to change
        :param cloud: where the changes are made; None where that is not asked
        """
        accepted = _Accepted(parsed_args.accept)
        planned = plan(machine_type=parsed_args.machine_type, accept=accepted)
        accepted.check(planned)
        self.status = self.statuses[planned.severity]
        page = PlanPage(planned)
        if cloud is None:
            self.answer(page.script(), page.commands)
            return _rows(planned)
        return self._apply(parsed_args, planned, cloud)

    def _apply(
        self,
        parsed_args: argparse.Namespace,
        planned: Plan,
        cloud: OpenStackCloud,
    ) -> Iterable[Sequence[Any]]:
        from sev_scheduling.cli.openstack import make_changes

        page = PlanPage(planned)
        self._show(page.preview(), page.commands)
        changes = [Change(fix) for fix in planned.fixes]
        made = ChangesPage(changes)
        if changes and not parsed_args.yes and not self._agreed(page):
            self.answer(page.not_made)
            return _rows(planned, changes)
        try:
            with terminal.progress(self.app.stderr) as show:
                make_changes(
                    cloud, changes, lambda change: show(made.line(change))
                )
        except KeyboardInterrupt:
            self._show(made.view(), made.commands)
            raise
        if all(change.outcome.is_well for change in changes):
            self.answer(made.view(), made.commands)
            self.status = self.statuses[planned.severity_after]
        else:
            self.say(made.view(), made.reason, no=True, whole=made.commands)
            self.status = self.usage_status
        return _rows(planned, changes)

    def _agreed(self, page: PlanPage) -> bool:
        self.app.stderr.write(page.question())
        self.app.stderr.flush()
        return self.app.stdin.readline().strip().lower() in _YES

    def _show(self, text: str, whole: Iterable[str]) -> None:
        stderr = self.app.stderr
        print(
            terminal.fold(text, terminal.width(stderr), whole),
            file=stderr,
            flush=True,
        )


class _Accepted:
    """What ``--accept`` names, and whether there is just one of each."""

    def __init__(self, names: Iterable[str]) -> None:
        # Each with the identities of what it names.
        self._named: dict[str, set[int]] = {name: set() for name in names}
        # What is named with a choice that there is not, and without one.
        self._mistaken: dict[str, tuple[int, str]] = {}
        self._alone: dict[str, int] = {}

    def __call__(self, item: Item) -> Collection[str]:
        words = {item.id, item.name if item.unique else None}
        if words == {None}:
            words = {str(item.target)}
        known = set()
        for name, items in self._named.items():
            if name in words:
                items.add(id(item))
                self._alone[name] = id(item)
                known.add('')
                continue
            # A name may have the sign as well.
            word, _, choice = name.rpartition('=')
            if word not in words:
                continue
            if choice in _choices():
                items.add(id(item))
                known.add(choice)
            else:
                self._mistaken[name] = id(item), choice
        return known

    def check(self, planned: Plan) -> None:
        """Check the names.

        :raises InputError: where one names nothing, or several, or leaves
            open which way of several is meant
        """
        for name, items in self._named.items():
            if not items and name in self._mistaken:
                item, choice = self._mistaken[name]
                ways = _ways(planned, item)
                remedy = f'give {ways}' if ways else 'leave it out'
                raise InputError(
                    f'--accept {quoted(name)} has the choice '
                    f'{quoted(choice)}, which there is not; {remedy}.'
                )
            if len(items) != 1:
                what = 'several' if items else 'none'
                raise InputError(
                    f'--accept {quoted(name)} names {what} of the flavors, '
                    'images and volumes that were read; give the id of one, '
                    'and a choice as --fix shows it.'
                )
            ways = _ways(planned, self._alone.get(name))
            if ways and not any(id(f.item) in items for f in planned.fixes):
                raise InputError(
                    f'--accept {quoted(name)} does not say which way of '
                    f'several to take; give {ways}.'
                )


def _ways(planned: Plan, item: int | None) -> str:
    """Return what accepts each of several ways; '' where none is open.

    :param item: identity of the flavor, image or volume
    """
    ways = (
        fix.condition
        for fix in planned.left_out
        if fix.choice and id(fix.item) == item
    )
    return ' or '.join(map(quoted, dict.fromkeys(ways)))


def _choices() -> Collection[str]:
    """Return what may be wanted of something."""
    wishes = (str(caveat) for caveat in Caveat if not caveat.of_image)
    return {*registered_models(), *wishes}


def _rows(
    planned: Plan, changes: Sequence[Change] | None = None
) -> Iterator[Sequence[Any]]:
    """Yield a row for each command.

    :param changes: those of the plan's fixes, where they were to be made
    """
    left_out = [Change(fix, Outcome.LEFT_OUT) for fix in planned.left_out]
    made = changes or [Change(fix) for fix in planned.fixes]
    for change in (*made, *left_out):
        fix = change.fix
        for one in fix.changes:
            row = (
                str(fix.item.target),
                fix.item.name,
                fix.item.id,
                fix.pairs,
                fix.mends,
                ' '.join(one.caveats),
                one.command(),
                fix.condition,
            )
            if changes is None:
                yield row
            else:
                yield (*row, str(change.outcome), change.error)
