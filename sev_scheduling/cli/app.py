"""The cliff application."""

from __future__ import annotations

import argparse
import importlib.metadata
import logging
import sys
from typing import Any, NoReturn

from cliff import help as cliff_help
from cliff.app import App
from cliff.commandmanager import CommandManager

from sev_scheduling.cli import EXIT_USAGE, NAME
from sev_scheduling.exceptions import InputError

COMMAND_GROUP = 'sev_scheduling.cli'

_DESCRIPTION = (
    'Place memory-encrypted guests on the right OpenStack hosts, and say why '
    'when none fits.'
)


_CHATTY = ('keystoneauth', 'openstack', 'stevedore')


class Shell(App):
    """Finds the command and runs it; :mod:`.shell` has the exit statuses."""

    NAME = NAME
    CONSOLE_MESSAGE_FORMAT = '%(levelname)s: %(message)s'

    def __init__(self) -> None:
        self._handlers: list[logging.Handler] = []
        self._chatty = {
            logger: logger.level for logger in map(logging.getLogger, _CHATTY)
        }
        self._root_level = logging.getLogger().level
        super().__init__(
            description=_DESCRIPTION,
            version=importlib.metadata.version(NAME),
            command_manager=CommandManager(COMMAND_GROUP),
            deferred_help=True,
        )
        self.command_manager.add_command('help', Help)

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
        tell_in_one_line(parser)
        return parser

    def configure_logging(self) -> None:
        """Log warnings to standard error; more with ``-v`` and ``--debug``."""
        verbosity = 3 if self.options.debug else self.options.verbose_level
        level = {0: logging.ERROR, 1: logging.WARNING, 2: logging.INFO}.get(
            verbosity, logging.DEBUG
        )
        console = logging.StreamHandler(self.stderr)
        console.setLevel(level)
        console.setFormatter(logging.Formatter(self.CONSOLE_MESSAGE_FORMAT))
        self._handlers.append(console)
        if self.options.log_file:
            try:
                to_file = logging.FileHandler(self.options.log_file)
            except OSError as error:
                raise InputError(
                    f'--log-file {self.options.log_file!r} cannot be '
                    f'written: {error.strerror}.'
                ) from None
            to_file.setFormatter(
                logging.Formatter(self.LOG_FILE_MESSAGE_FORMAT)
            )
            self._handlers.append(to_file)
            level = min(level, logging.INFO)
        root = logging.getLogger()
        # No lower than needed: every message below it costs time.
        root.setLevel(level)
        for handler in self._handlers:
            root.addHandler(handler)
        for logger in self._chatty:
            # They warn of what they then raise.
            logger.setLevel(logging.ERROR if verbosity < 2 else level)

    def close(self) -> None:
        """Leave logging as it was."""
        root = logging.getLogger()
        root.setLevel(self._root_level)
        for logger, level in self._chatty.items():
            logger.setLevel(level)
        for handler in self._handlers:
            root.removeHandler(handler)
            handler.close()
        self._handlers.clear()

    def run(self, argv: list[str]) -> int:
        """Run a command; what it raises is for :func:`.shell.main`."""
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
        tell_in_one_line(parser)
        return command.run(parser.parse_args(rest))

    def not_a_command(self, argv: list[str]) -> str:
        """Return one line about words that name no command."""
        asked = ' '.join(_command_words(argv))
        close = [name for name, _ in self.command_manager]
        close = sorted(name for name in close if name.startswith(f'{asked} '))
        if asked and not close:
            close = self.get_fuzzy_matches(asked)[:3]
        hint = f' did you mean {" or ".join(close)}?' if close else ''
        return f"{asked!r} is not a command;{hint} See '{NAME} --help'."


def _command_words(argv: list[str]) -> list[str]:
    """Return the words before the first option."""
    options = [n for n, arg in enumerate(argv) if arg.startswith('-')]
    return argv[: options[0]] if options else argv


def tell_in_one_line(parser: argparse.ArgumentParser) -> None:
    """Have a parser tell bad usage in one line."""

    def error(message: str) -> NoReturn:
        message = ' '.join(message.split())
        sys.stderr.write(
            f'{parser.prog}: {message}; see {parser.prog} --help\n'
        )
        sys.exit(EXIT_USAGE)

    parser.error = error  # type: ignore[method-assign]


class Help(cliff_help.HelpCommand):
    """Print help for a command"""

    app: Shell

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        try:
            return super().take_action(parsed_args)
        except ValueError:
            raise InputError(self.app.not_a_command(parsed_args.cmd)) from None
