"""The command ``schedule``."""

from __future__ import annotations

import argparse
import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sev_scheduling.cli import terminal
from sev_scheduling.cli.options.clouds import add_host_options, open_client
from sev_scheduling.cli.options.inputs import (
    add_request_options,
    owner,
    positive,
    read_request,
)
from sev_scheduling.cli.output import Rows
from sev_scheduling.exceptions import InvalidRequest, NoCapacity
from sev_scheduling.explain.explanation import Explanation, explain
from sev_scheduling.rules.validation import validate

#: From so many guests on, a person at a terminal sees that it goes on.
MANY = 20

#: One claim; Placement takes a minute or two for it.
MOST = 10_000

#: Seconds between two looks at the clock.
TICK = 1.0


def guests(text: str) -> int:
    """Read how many guests; for argparse."""
    number = positive(text)
    if number > MOST:
        raise argparse.ArgumentTypeError(
            f'{number} guests are more than the {MOST} of one command'
        )
    return number


class Schedule(Rows):
    """Place guests and claim their slots in Placement, all or none

    Prints where each guest has its slot; "release" gives it back. Exit
    status 1 where the request is invalid or the guests do not all fit: then
    nothing is claimed.

    Example::

        $ sev-scheduling schedule --cloud examples/cloud.yaml --count 3 \\
            --flavor flavor.json --image image.json --state placement.db
    """

    columns = ('Instance', 'Host', 'Model', 'Provider')

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        add_request_options(parser)
        parser.add_argument(
            '--count',
            metavar='N',
            type=guests,
            default=1,
            help=f'how many guests, up to {MOST} (default: 1)',
        )
        parser.add_argument(
            '--owner',
            metavar='NAME',
            type=owner,
            default='sev-scheduling',
            help='who holds the claims: "reconcile" finds them by it '
            '(default: sev-scheduling)',
        )
        add_host_options(parser)

    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        request = read_request(parsed_args)
        try:
            _refuse_invalid(validate(request))
            with (
                open_client(parsed_args) as client,
                self._progress(parsed_args.count),
            ):
                placed = client.schedule(
                    request,
                    parsed_args.count,
                    owner=parsed_args.owner,
                )
        except InvalidRequest as error:
            self.say_no(explain(error.problems).operator())
            return []
        except NoCapacity as error:
            self.say_no(no_capacity(error))
            return []
        return [(p.instance, p.host, p.model, p.provider) for p in placed]

    @contextlib.contextmanager
    def _progress(self, count: int) -> Iterator[None]:
        """Show that it goes on, and for how long.

        Placement takes all guests in one step and tells nothing before its
        end, so that there is no number to count up.
        """
        stderr = self.app.stderr
        if count < MANY or not stderr.isatty():
            yield
            return
        done = threading.Event()

        def show() -> None:
            began = time.monotonic()
            going_on = True
            while going_on:
                terminal.erase_line(stderr)
                stderr.write(
                    f'Placing {count} guests, all or none: '
                    f'{time.monotonic() - began:.0f} s'
                )
                stderr.flush()
                going_on = not done.wait(TICK)
            terminal.erase_line(stderr)
            stderr.flush()

        clock = threading.Thread(target=show, daemon=True)
        clock.start()
        try:
            yield
        finally:
            done.set()
            clock.join()


def _refuse_invalid(problems: Sequence[Any]) -> None:
    """Before a Placement is started for nothing.

    :raises InvalidRequest: where a problem is an error
    """
    if any(problem.is_error for problem in problems):
        raise InvalidRequest(tuple(problems))


def no_capacity(error: NoCapacity) -> str:
    """Return all that is known, in several lines."""
    if isinstance(error.explanation, Explanation):
        return f'{error}\n{error.explanation.operator()}'
    return str(error)
