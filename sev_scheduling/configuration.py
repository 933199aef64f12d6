"""Read oslo.config files of other services, without these services.

As the service would, except for its environment variables: later files win,
values may refer to others, names may be deprecated ones. One bad value spoils
only its option.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oslo_config import cfg

from sev_scheduling.documents import read_text
from sev_scheduling.exceptions import InputError
from sev_scheduling.text import printable, quoted

#: Larger than any configuration file has a reason to be; in bytes.
MAX_BYTES = 1 << 20
#: More files than this are not read.
MAX_FILES = 1000

#: Group and option; the group of options without one is DEFAULT.
GroupedOption = tuple[str, cfg.Opt]


class _ConfigOpts(cfg.ConfigOpts):
    # A file that names further sources would have them fetched, from the
    # network if it likes.
    config_source = ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """What files say, every option on its own.

    :ivar values: (group, option) -> value, the default where it is unset
    :ivar errors: (group, option) -> why its value cannot be used
    :ivar written: group -> name -> values as written, of all that the files
        set, whether it was asked for or not
    :ivar files: where they were read from
    """

    values: Mapping[tuple[str, str], Any] = field(
        default_factory=dict, hash=False
    )
    errors: Mapping[tuple[str, str], str] = field(
        default_factory=dict, hash=False
    )
    written: Mapping[str, Mapping[str, Sequence[str]]] = field(
        default_factory=dict, hash=False
    )
    files: tuple[str, ...] = ()

    def get(self, group: str, name: str) -> Any:
        """Return an option's value.

        :raises InputError: where it cannot be used
        """
        if (group, name) in self.errors:
            raise InputError(self.errors[group, name])
        return self.values[group, name]


def read_configuration(
    files: Sequence[Path],
    directories: Sequence[Path],
    options: Iterable[GroupedOption],
    *,
    service: str = 'nova',
    option: str = '--config-file',
) -> Configuration:
    """Read the configuration of a service.

    :param files: later ones win
    :param directories: their ``*.conf`` in order of name, after the files
    :param options: those to read; all others are left alone
    :param service: its options may be referred to where it is installed;
        its name and ``.conf`` stand in messages
    :param option: of the command line, that names such a file
    :raises InputError: where a file cannot be read, or has no such syntax
    """
    name = f'{service}.conf'
    paths = [*files, *_listed(directories)]
    if not paths:
        raise InputError(f'No {name} was found; name it with {option}.')
    written: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        read_text(path, MAX_BYTES)
        try:
            cfg.ConfigParser(str(path), written).parse()
        except (OSError, ValueError, cfg.ParseError) as error:
            raise InputError(
                f'{path} is no configuration file: {printable(str(error))}; '
                'correct the line.'
            ) from error
    conf = _ConfigOpts()
    asked = list(options)
    for group, opt in asked:
        conf.register_opt(opt, group=None if group == 'DEFAULT' else group)
    _register_references(conf, written, service)
    try:
        conf(
            [],
            default_config_files=[str(path) for path in paths],
            default_config_dirs=[],
            use_env=False,
        )
    except cfg.Error as error:
        raise InputError(f'{name} cannot be read: {error}') from error
    values: dict[tuple[str, str], Any] = {}
    errors: dict[tuple[str, str], str] = {}
    for group, opt in asked:
        where = conf if group == 'DEFAULT' else conf[group]
        try:
            values[group, opt.dest] = getattr(where, opt.dest)
        except (cfg.Error, ValueError, RecursionError) as error:
            errors[group, opt.dest] = str(
                _unusable(name, group, opt.dest, written, error)
            )
    return Configuration(
        values, errors, written, tuple(str(path) for path in paths)
    )


def _listed(directories: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for directory in directories:
        if not directory.is_dir():
            raise InputError(
                f'{directory} is no directory; name one with --config-dir.'
            )
        found += sorted(directory.glob('*.conf'))
    if len(found) > MAX_FILES:
        raise InputError(
            f'{len(found)} configuration files; more than {MAX_FILES} are '
            'not read.'
        )
    return found


def _register_references(
    conf: cfg.ConfigOpts,
    written: Mapping[str, Mapping[str, Sequence[str]]],
    service: str,
) -> None:
    """Let values refer to the options that the service lets them refer to.

    These are those that the files set, and those of the service if it is
    installed here, with its defaults: ``$state_path``, ``${group.option}``.
    """
    if not any(
        '$' in value
        for section in written.values()
        for values in section.values()
        for value in values
    ):
        return
    for group, options in _options_of(service):
        for option in options:
            # A required one counts where the files set it.
            if not option.required:
                _register(conf, group, option)
    for group, section in written.items():
        for name in section:
            if re.fullmatch(r'[a-z_]\w*', name):
                _register(conf, group, cfg.StrOpt(name))


def _register(conf: cfg.ConfigOpts, group: str, option: cfg.Opt) -> None:
    # The last two are registered only when the files are read.
    if option.name in ('config_file', 'config_dir', 'config_source'):
        return
    # What is registered already is what was asked for.
    with contextlib.suppress(cfg.Error, ValueError):
        if group == 'DEFAULT':
            if option.dest not in conf:
                conf.register_opt(option)
        elif group not in conf or option.dest not in conf[group]:
            conf.register_opt(option, group=group)


def _options_of(service: str) -> list[tuple[str, Sequence[cfg.Opt]]]:
    """Return groups and options of an installed service; none without it."""
    found: list[tuple[str, Sequence[cfg.Opt]]] = []
    for entry_point in importlib.metadata.entry_points(
        group='oslo.config.opts', name=f'{service}.conf'
    ):
        with contextlib.suppress(ImportError):
            found += [
                (str(getattr(group, 'name', group) or 'DEFAULT'), options)
                for group, options in entry_point.load()()
            ]
    return found


def _unusable(
    file: str,
    group: str,
    name: str,
    written: Mapping[str, Mapping[str, Sequence[str]]],
    error: Exception,
) -> InputError:
    value = quoted(written.get(group, {}).get(name, ['?'])[-1])
    if isinstance(error, cfg.ConfigSourceValueError):
        # The error itself names the file again.
        reason = str(error.__context__ or error)
        return InputError(
            f'[{group}] {name} in {file} is {value}, which is not valid: '
            f'{printable(reason)}.'
        )
    return InputError(
        f'[{group}] {name} in {file} is {value}, which refers to itself or '
        'to an option that is not set; correct it.'
    )
