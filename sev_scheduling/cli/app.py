"""The cliff application."""

from __future__ import annotations

import argparse
import contextlib
import copy
import difflib
import importlib.metadata
import itertools
import logging
import sys
from typing import Any, NoReturn, cast

from cliff import help as cliff_help
from cliff.app import App
from cliff.command import Command
from cliff.commandmanager import CommandManager, EntryPointWrapper

from sev_scheduling.cli import EXIT_USAGE, NAME, STDOUT
from sev_scheduling.cli.commands import SUMMARIES
from sev_scheduling.cli.commands.complete import Complete
from sev_scheduling.exceptions import InputError
from sev_scheduling.text import one_line, printable_lines

COMMAND_GROUP = 'sev_scheduling.cli'

_DESCRIPTION = (
    'Place memory-encrypted guests on the right OpenStack hosts, and say why '
    'when none fits.'
)

#: How alike a word and a command must be for one to be meant by the other.
_CLOSE = 0.7

#: Logs, for debugging, what Placement was asked.
_CALLS = 'sev_scheduling.placement.wire'

_LEVELS = {0: logging.ERROR, 1: logging.WARNING, 2: logging.INFO}

#: Says at INFO what it loads, whenever a Placement starts in this process.
_LOADER = 'alembic'

# They warn of what they then raise.
_CHATTY = ('keystoneauth', 'openstack', 'stevedore')


class Commands(CommandManager):
    """Finds commands; only the one that runs is imported."""

    def load_commands(self, namespace: str) -> None:
        self.group_list.append(namespace)
        # Cliff's own imports them all.
        for point in importlib.metadata.entry_points(group=namespace):
            self.commands[point.name.replace('_', ' ')] = point


class Shell(App):
    """Finds the command and runs it (see :func:`.main.main`)."""

    NAME = NAME
    usage_status = EXIT_USAGE
    CONSOLE_MESSAGE_FORMAT = '%(levelname)s: %(message)s'

    def __init__(self) -> None:
        self._logging = contextlib.ExitStack()
        super().__init__(
            description=_DESCRIPTION,
            version=importlib.metadata.version(NAME),
            command_manager=Commands(COMMAND_GROUP),
            deferred_help=True,
        )
        self.command_manager.add_command('help', Help)
        self.command_manager.add_command('complete', Complete)

    @property
    def debug(self) -> bool:
        return bool(getattr(getattr(self, 'options', None), 'debug', False))

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        parser = super().build_option_parser(
            description,
            version,
            {
                'prog': NAME,
                'usage': f'{NAME} [options] COMMAND [arguments]',
                'conflict_handler': 'resolve',
                # It sees the commands' options too, and must take none.
                'allow_abbrev': False,
            },
        )
        # Cliff's own says the name of the file that was run.
        parser.add_argument(
            '--version', action='version', version=f'{NAME} {version}'
        )
        report_in_one_line(parser)
        return parser

    def configure_logging(self) -> None:
        """Log warnings to standard error; more with ``-v`` and ``--debug``.

        ``-v`` shows what was asked of Placement too. No lower than needed:
        every message below it costs time.
        """
        verbosity = 3 if self.options.debug else self.options.verbose_level
        level = lowest = _LEVELS.get(verbosity, logging.DEBUG)
        console = logging.StreamHandler(self.stderr)
        self._add(
            console,
            self.CONSOLE_MESSAGE_FORMAT,
            level if verbosity < 2 else logging.NOTSET,
        )
        if self.options.log_file:
            if self.options.log_file == STDOUT:
                raise InputError(
                    '--log-file cannot be standard output; give a file.'
                )
            try:
                to_file = logging.FileHandler(self.options.log_file)
            except OSError as error:
                raise InputError(
                    f'--log-file {self.options.log_file!r} cannot be '
                    f'written: {error.strerror}.'
                ) from None
            self._add(to_file, self.LOG_FILE_MESSAGE_FORMAT)
            lowest = min(level, logging.INFO)
        self._set_level(logging.getLogger(), lowest)
        if verbosity >= 2:
            self._set_level(logging.getLogger(_CALLS), logging.DEBUG)
            if verbosity == 2:
                self._set_level(logging.getLogger(_LOADER), logging.WARNING)
        for name in _CHATTY:
            self._set_level(
                logging.getLogger(name),
                logging.ERROR if verbosity < 2 else lowest,
            )

    def _add(
        self, handler: logging.Handler, form: str, level: int = logging.NOTSET
    ) -> None:
        handler.setLevel(level)
        handler.setFormatter(_Printable(form))
        root = logging.getLogger()
        root.addHandler(handler)
        self._logging.callback(handler.close)
        self._logging.callback(root.removeHandler, handler)

    def _set_level(self, logger: logging.Logger, level: int) -> None:
        self._logging.callback(logger.setLevel, logger.level)
        logger.setLevel(level)

    def close(self) -> None:
        """Leave logging as it was."""
        self._logging.close()

    def run(self, argv: list[str]) -> int:
        """Run a command; what it raises is for :func:`.main.main`."""
        self.options, rest = self.parser.parse_known_args(argv)
        self.configure_logging()
        if rest and rest[0].startswith('-'):
            self.parser.error(f'{rest[0]} is not an option')
        if not rest or self.options.deferred_help:
            return self.run_subcommand(['help', *_command_words(rest)])
        return self.run_subcommand(rest)

    def run_subcommand(self, argv: list[str]) -> int:
        try:
            factory, name, rest = self.command_manager.find_command(argv)
        except ValueError:
            raise InputError(self.not_a_command(argv)) from None
        command = factory(self, self.options, cmd_name=name)
        parser = command.get_parser(f'{NAME} {name}')
        self.usage_status = getattr(command, 'usage_status', EXIT_USAGE)
        report_in_one_line(parser, self.usage_status)
        return command.run(parser.parse_args(rest))

    def not_a_command(self, argv: list[str]) -> str:
        """Return one line about words that name no command."""
        words = _command_words(argv)
        asked = ' '.join(words)
        close = self._close(words)
        hint = f'did you mean {" or ".join(close)}? See' if close else 'see'
        return f"{asked!r} is not a command; {hint} '{NAME} --help'."

    def _close(self, words: list[str]) -> list[str]:
        """Return commands that these words begin, or nearly are.

        What follows them may be arguments, so that fewer are tried too.
        """
        names = sorted(name for name, _ in self.command_manager)
        for length in range(len(words), 0, -1):
            asked = ' '.join(words[:length])
            begun = [name for name in names if name.startswith(f'{asked} ')]
            close = begun or difflib.get_close_matches(
                asked, names, cutoff=_CLOSE
            )
            if close:
                return close
        return []


class _Printable(logging.Formatter):
    """Shows names that somebody else gave as terminals should see them."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


def _command_words(argv: list[str]) -> list[str]:
    """Return the words before the first option."""
    return [*itertools.takewhile(lambda word: word[:1] != '-', argv)]


def report_in_one_line(
    parser: argparse.ArgumentParser, status: int = EXIT_USAGE
) -> None:
    """Have a parser report bad usage in one line."""

    def error(message: str) -> NoReturn:
        sys.stderr.write(
            f'{parser.prog}: {one_line(message)}; see {parser.prog} --help\n'
        )
        sys.exit(status)

    parser.error = error  # type: ignore[method-assign]


class Help(cliff_help.HelpCommand):
    """Print help for a command"""

    app: Shell

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        if not parsed_args.cmd:
            shown = cliff_help.HelpAction(
                [], dest=argparse.SUPPRESS, default=_Listing(self.app)
            )
            shown(self.app.parser, self.app.options, None)
        try:
            return super().take_action(parsed_args)
        except ValueError:
            raise InputError(self.app.not_a_command(parsed_args.cmd)) from None


class _Listing:
    """The application as cliff lists it, without importing its commands."""

    def __init__(self, app: Shell) -> None:
        self.stdout = app.stdout
        self.command_manager = copy.copy(app.command_manager)
        self.command_manager.commands = {
            # Those of other packages have none.
            name: _summarized(name) if name in SUMMARIES else entry_point
            for name, entry_point in app.command_manager
        }


def _summarized(name: str) -> EntryPointWrapper:
    """Return what cliff takes for a command when it lists them."""

    class Summarized:
        deprecated = False

        def __init__(self, app: object, app_args: object) -> None: ...

        def get_description(self) -> str:
            return SUMMARIES[name]

    return EntryPointWrapper(name, cast(type[Command], Summarized))
