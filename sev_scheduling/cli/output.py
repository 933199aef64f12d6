"""What the commands share: rows or fields, words, a status of their own."""

from __future__ import annotations

import abc
import argparse
import json
import os
import re
import stat
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from cliff import _argparse as cliff_argparse
from cliff import command, display, lister, show
from cliff.columns import FormattableColumn
from cliff.formatters.base import ListFormatter
from stevedore import ExtensionManager
from stevedore.extension import Extension

from sev_scheduling.cli import EXIT_NO, EXIT_USAGE, STDOUT, terminal
from sev_scheduling.exceptions import (
    Explained,
    InputError,
    InvalidRequest,
    NoCapacity,
    SevSchedulingError,
)
from sev_scheduling.explain.explanation import Explanation
from sev_scheduling.explain.server import ServerExplanation
from sev_scheduling.text import printable, printable_lines, quoted

if TYPE_CHECKING:
    _Display = display.DisplayCommandBase[Any]
    _Column = FormattableColumn[Any]
else:
    # Before cliff 4.13 they took no parameter.
    _Display = display.DisplayCommandBase
    _Column = FormattableColumn


class _HelpFormatter(
    cliff_argparse.SmartHelpFormatter, argparse.RawDescriptionHelpFormatter
):
    """Keeps the lines of the examples."""


class Plain(command.Command):
    """A command with options of its own, listed before the formatters'.

    :cvar in_openstack: it is one of ``openstack``, which has signed in: things
        are named as in the cloud, and are no files
    """

    in_openstack = False

    #: Exit status of bad usage, and of what cannot be read.
    usage_status = EXIT_USAGE

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.formatter_class = _HelpFormatter
        # What gives the connection of openstack; None in a shell of our own.
        connect = self._connect if self.in_openstack else None
        parser.set_defaults(connect=connect)
        self.add_options(parser)
        return parser

    def _connect(self) -> Any:
        return self.app.client_manager.sdk_connection  # type: ignore[attr-defined]

    def get_epilog(self) -> str:
        # cliff reads the metadata of all that is installed, which takes
        # half a second, to name the distribution of a plug-in's command.
        return ''

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's options; none here."""


def no_stdout(text: str) -> str:
    """Read a file to write that standard output cannot be; for argparse."""
    if text == STDOUT:
        raise argparse.ArgumentTypeError(
            'it cannot be standard output; give a file'
        )
    return text


def status_of(error: SevSchedulingError) -> int:
    """Return the exit status of an error that is no defect."""
    no = isinstance(error, (InvalidRequest, NoCapacity))
    return EXIT_NO if no else EXIT_USAGE


def _plain(column: str) -> str:
    """Return a column's name as people may write it."""
    return column.lower().strip().replace(' ', '_')


#: Options that name columns, and where they are parsed.
_COLUMN_OPTIONS = {'--column': 'columns', '--sort-column': 'sort_columns'}

#: Formats that keep every character, and escape it.
_EXACT = frozenset({'json', 'yaml'})


class _Answers(_Display, Plain):
    """A command that may answer no.

    :cvar columns: the names of the columns, frozen once released
    """

    columns: tuple[str, ...]

    status = 0

    def run(self, parsed_args: argparse.Namespace) -> int:
        try:
            # Before anything is done, and in one line.
            self._check_columns(parsed_args)
            super().run(parsed_args)
        except SevSchedulingError as error:
            if not self.in_openstack:
                raise
            self.app.LOG.error('%s', printable_lines(str(error)))
            status = status_of(error)
            return self.usage_status if status == EXIT_USAGE else status
        return self.status

    def _check_columns(self, parsed_args: argparse.Namespace) -> None:
        """Give columns their exact names, all that cliff took before 4.13.

        :raises InputError: where there is no such column
        """
        names = {_plain(name): name for name in self.columns}
        for option, dest in _COLUMN_OPTIONS.items():
            found = []
            for name in getattr(parsed_args, dest, ()):
                if _plain(name) not in names:
                    raise InputError(
                        f'{option} {quoted(name)} is not one of '
                        f'{", ".join(self.columns)}.'
                    )
                found.append(names[_plain(name)])
            setattr(parsed_args, dest, found)

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Any,
    ) -> int:
        if parsed_args.formatter not in _EXACT:
            self.formatter = _Shown(self.formatter, parsed_args.formatter)
        # Of Rows or Fields, which mypy does not see.
        return super().produce_output(parsed_args, column_names, data)  # type: ignore[safe-super]

    def say_no(self, text: str, whole: Iterable[str] = ()) -> None:
        """Explain a no on standard error; the status becomes 1.

        :param whole: parts of the text that are not folded
        """
        self.status = EXIT_NO
        stderr = self.app.stderr
        print(terminal.fold(text, terminal.width(stderr), whole), file=stderr)

    def warn(self, explanation: Explanation, *, tenant: bool = False) -> None:
        """Show people the warnings about what can be done, or was.

        :param tenant: the view for tenants in place of that for operators
        """
        if explanation.reasons:
            stderr = self.app.stderr
            columns = terminal.width(stderr)
            text = explanation.tenant() if tenant else explanation.operator()
            print(
                terminal.fold(text, columns, explanation.commands),
                file=stderr,
            )

    def refuse(self, explanation: Explained, headline: str = '') -> None:
        """Explain to operators why nothing was done.

        :param headline: a line before the explanation's own
        """
        text = explanation.operator()
        if headline:
            text = f'{headline}\n{text}'
        self.say_no(text, explanation.commands)


class Rows(_Answers, lister.Lister):
    """A command that prints rows.

    :cvar nothing: what to say on standard error in place of an empty table
    """

    nothing = ''

    @abc.abstractmethod
    def rows(self, parsed_args: argparse.Namespace) -> Iterable[Sequence[Any]]:
        """Do the work; return one sequence of cells for each row."""

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], list[Sequence[Any]]]:
        return self.columns, list(self.rows(parsed_args))

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Any,
    ) -> int:
        if (
            not data
            and parsed_args.formatter == 'table'
            and not parsed_args.print_empty
        ):
            # cliff prints an empty line
            if self.nothing:
                print(self.nothing, file=self.app.stderr)
            return 0
        return super().produce_output(parsed_args, column_names, data)


class Fields(_Answers, show.ShowOne):
    """A command that prints the fields of one thing, or of nothing."""

    @abc.abstractmethod
    def fields(self, parsed_args: argparse.Namespace) -> Sequence[Any] | None:
        """Do the work; return a value for each column, or None."""

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Sequence[Any]]:
        values = self.fields(parsed_args)
        return ((), ()) if values is None else (self.columns, values)

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Any,
    ) -> int:
        if not column_names:
            if parsed_args.formatter == 'table':
                return 0
            parsed_args.columns = []
        return super().produce_output(parsed_args, column_names, data)


class Cell(_Column):
    """A value that people read in other words than programs do.

    Cells of a column are sorted by the value, what is unknown last, also
    beside bare values.
    """

    def __init__(self, value: Any, words: str) -> None:
        super().__init__(value)
        self._words = words

    def human_readable(self) -> str:
        return self._words

    def __lt__(self, other: object) -> bool:
        return _sort_key(self) < _sort_key(other)

    def __gt__(self, other: object) -> bool:
        return _sort_key(self) > _sort_key(other)


def _sort_key(cell: Any) -> tuple[bool, Any]:
    value = cell.machine_readable() if isinstance(cell, Cell) else cell
    if isinstance(value, dict):
        value = sorted(value.items())
    return value is None, () if value is None else value


def words(text: str | None) -> Cell:
    """Return a text; nothing is empty to people."""
    return Cell(text, text or '')


def lines(*codes: str) -> Cell:
    """Return a list to programs, lines to people."""
    texts = [*map(str, codes)]
    return Cell(texts, '\n'.join(texts))


class _Shown:
    """A formatter that gets what a terminal may see.

    Text keeps on one line what somebody else wrote; of a cell of our own, the
    lines stay. A list or a mapping in a format for programs is JSON, where
    cliff would write it as Python does.

    :param name: of the format
    """

    def __init__(self, formatter: Any, name: str) -> None:
        self._formatter = formatter
        self._name = name

    def emit_list(
        self, columns: Any, data: Iterable[Iterable[Any]], *rest: Any
    ) -> None:
        rows = [[*map(self._shown, row)] for row in data]
        self._formatter.emit_list(columns, rows, *rest)

    def emit_one(self, columns: Any, data: Iterable[Any], *rest: Any) -> None:
        self._formatter.emit_one(columns, [*map(self._shown, data)], *rest)

    def _shown(self, cell: Any) -> Any:
        ours = isinstance(cell, FormattableColumn)
        if ours:
            if self._name == 'table':
                cell = cell.human_readable()
            else:
                cell = cell.machine_readable()
        if isinstance(cell, (list, dict)):
            cell = json.dumps(cell, ensure_ascii=False)
        if not isinstance(cell, str) or isinstance(cell, terminal.Painted):
            return cell
        text = printable_lines(cell) if ours else printable(cell)
        if self._name == 'shell':
            # cliff puts it in double quotes, and escapes those alone.
            text = re.sub(r'([\\$`])', r'\\\1', text)
        return text


class _TextFormatter(ListFormatter):
    """Prints what the command has to say, not its rows."""

    text = ''
    whole: tuple[str, ...] = ()

    def add_argument_group(self, parser: argparse.ArgumentParser) -> None:
        pass

    def emit_list(
        self,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
        stdout: TextIO,
        parsed_args: argparse.Namespace,
    ) -> None:
        text = terminal.fold(self.text, terminal.width(stdout), self.whole)
        stdout.write(f'{text}\n')


class Words(Rows):
    """A command that explains in words, and has rows for programs."""

    formatter_default = 'text'

    _as_text = False

    def _load_formatter_plugins(self) -> ExtensionManager[ListFormatter]:
        plugins: ExtensionManager[ListFormatter] = (
            super()._load_formatter_plugins()
        )
        self._text = _TextFormatter()
        # Not an entry point: it would turn up in every cliff application.
        plugins.extensions.append(
            Extension('text', None, _TextFormatter, self._text)  # type: ignore[arg-type]
        )
        return plugins

    def run(self, parsed_args: argparse.Namespace) -> int:
        self._as_text = parsed_args.formatter == 'text'
        if self._as_text and (parsed_args.columns or parsed_args.sort_columns):
            parsed_args.formatter = 'table'
            self._as_text = False
        return super().run(parsed_args)

    def answer(self, text: str, whole: Iterable[str] = ()) -> None:
        """Set what is said in words.

        :param whole: parts of the text that are not folded
        """
        self._text.text, self._text.whole = text, tuple(whole)

    def report(
        self,
        explanation: Explanation | ServerExplanation,
        *,
        no: bool,
        tenant: bool = False,
        more: str = '',
    ) -> None:
        """Explain a yes or a no.

        A no goes to standard error; of words that are on standard output
        already, the headline alone, and nothing where a person would read it
        twice, or asked for quiet.

        :param tenant: the view for tenants in place of that for operators
        :param more: a line to end with
        """
        text = explanation.tenant() if tenant else explanation.operator()
        headline = (
            explanation.tenant_headline if tenant else explanation.headline
        )
        self.say(
            f'{text}\n{more}' if more else text,
            headline,
            no=no,
            whole=explanation.commands,
        )

    def say(
        self, text: str, headline: str, *, no: bool, whole: Iterable[str] = ()
    ) -> None:
        """Say a yes or a no in words, as :meth:`report` does.

        :param headline: the text's first line
        :param whole: parts of the text that are not folded
        """
        self._text.text = text
        self._text.whole = tuple(whole)
        if not no:
            return
        quiet = self.app.options.verbose_level == 0
        if quiet or (self._as_text and self._is_shown()):
            self.status = EXIT_NO
        elif not self._as_text:
            self.say_no(text, whole)
        else:
            self.say_no(f'{headline.rstrip(":.")}.')

    def _is_shown(self) -> bool:
        """Whether who reads standard error reads standard output too."""
        stdout, stderr = self.app.stdout, self.app.stderr
        if stdout.isatty():
            return True
        try:
            out, err = os.fstat(stdout.fileno()), os.fstat(stderr.fileno())
        except (OSError, ValueError):
            # In-process, or closed.
            return False
        if (out.st_dev, out.st_ino) == (err.st_dev, err.st_ino):
            return True
        # A pager or a filter at a terminal.
        return stat.S_ISFIFO(out.st_mode) and stderr.isatty()
