"""A value that no option takes is refused in one line, with what it takes.

The table is over every option of every command: one that is new is in it, or
among those that take what somebody else has named.
"""

import argparse
import functools
import importlib.metadata
import re

import pytest

from sev_scheduling.cli.app import Shell
from sev_scheduling.cli.main import main

A = '3fd1e6a2-0000-4000-8000-00000000000a'

#: Option or argument -> values that it does not take.
WRONG = {
    '--model': ['foo', 'AMD-SEV', ''],
    '--machine-type': ['foo', 'x86_64=q35', 'q35 ', '', 'pcx'],
    '--count': ['0', '-1', '1.5', 'many', '10001', '1_0', '9' * 5000],
    '--limit': ['0', 'x', '2147483648'],
    '--steps': ['0', 'x'],
    '--interval': ['0', 'x'],
    '--port': ['0', '65536', 'http'],
    '--guests': ['-1', 'x'],
    '--base': ['-1', 'x'],
    '--video': ['-1', 'x'],
    '--padding': ['-1', 'x'],
    '--host-memory': ['-1', 'x'],
    '--flavor-memory': ['-1', 'x'],
    '--slots': ['-1', 'x'],
    'numbers': ['0', '13', 'x'],
    '--owner': ['', 'a\nb', 'x' * 256],
    '--older-than': ['soon', '1w', '-1s', ''],
    '--required': ['HW_NO_SUCH', 'custom_x', ''],
    '--forbidden': ['!CUSTOM_X', ''],
    '--keep': ['HW_CPU_X86_AMD_SEV', 'x'],
    '--uuid': ['x', ''],
    '--flavor': [''],
    '--image': [''],
    '--volume': [''],
    '--server': [''],
    '--flavors': [''],
    '--images': [''],
    'instances': ['web-1', ''],
    'servers': ['web-1', ''],
    '--nova-release': ['30', 'zed'],
    '--qemu-version': ['8', 'x'],
    '--libvirt-version': ['8', 'x'],
    '--libvirt-uri': ['foo', ''],
    '--for': ['foo'],
    '--shell': ['foo'],
    '--timeout': ['0', '-1', 'x', 'inf', 'nan'],
    '--os-interface': ['foo', ''],
    '--os-auth-url': ['foo', 'ftp://x', ''],
    '--os-endpoint-override': ['foo', ''],
    '--placement-url': ['foo', 'ftp://x', 'http://', 'http://x/?a', ''],
    '--state': ['-'],
    '--names': ['-'],
    '--format': ['foo', 'TABLE', ''],
    '--column': ['foo', ''],
    '--sort-column': ['foo', ''],
    '--quote': ['foo'],
    '--max-width': ['x'],
}

#: Names, ids and files, which are looked up; what cannot be wrong by itself.
ANY = {
    *('--host', 'host'),
    *('hosts', '--aggregate', '--forbidden-aggregate', '--address'),
    *('--availability-zone', '--cloud', '--accept', '--name'),
    *('--servers', '--html', '--prometheus'),
    *('--earlier', '--root', '--domain-capabilities', '--output'),
    *(
        '--config-file',
        '--config-dir',
        '--placement-config',
        '--prefix',
        '--variable',
    ),
}

#: What a command needs beside, to come so far.
NEEDED = {
    'check': ['--flavor', 'f'],
    'translate': ['--flavor', 'f'],
    'schedule': ['--flavor', 'f'],
    'explain': ['--flavor', 'f'],
    'host show': ['h'],
    'host drain plan': ['h'],
    'node reserve': ['--guests', '1'],
    'reconcile': ['--owner', 'o'],
    'release': [A],
}

#: What there is to give.
REMEDY = re.compile(
    r'give|choose from|from \d+ to \d+|known are|is not one of|above 0|'
    r'name of 1 to|a time such as|invalid choice|invalid int'
)


@functools.cache
def commands():
    """Return command -> its parser."""
    shell = Shell()
    found = {}
    for name in importlib.metadata.entry_points(group='sev_scheduling.cli'):
        words = name.name.replace('_', ' ')
        found[words] = name.load()(shell, None).get_parser(words)
    factory, *_ = shell.command_manager.find_command(['complete'])
    found['complete'] = factory(shell, None).get_parser('complete')
    return found


@functools.cache
def options():
    """Return each command with each of its options that take a value."""
    found = []
    for command, parser in commands().items():
        for action in parser._actions:
            takes = action.nargs != 0 and action.help is not None
            if isinstance(action, argparse._StoreAction) or (
                isinstance(action, argparse._AppendAction) and takes
            ):
                names = action.option_strings or [action.dest]
                found.append((command, max(names, key=len)))
    return found


def is_of_a_plugin(option):
    """Whether it is an option of keystoneauth's, checked by the cloud."""
    return option.startswith('--os-') and option not in WRONG


def test_every_option_is_in_the_table():
    names = {o for _, o in options() if not is_of_a_plugin(o)}

    assert names - ANY == WRONG.keys()
    assert names & ANY == ANY


@pytest.mark.parametrize('option', WRONG)
def test_a_wrong_value_is_one_line_that_names_it_and_a_remedy(
    capsys, monkeypatch, tmp_path, option
):
    monkeypatch.chdir(tmp_path)
    values = WRONG[option]
    for number, command in enumerate(c for c, o in options() if o == option):
        # All of them once, and one of them in every command.
        for value in values[:1] if number else values:
            given = f'{option}={value}' if option[0] == '-' else value
            words = command.split()
            needed = NEEDED.get(command, [])
            if option[0] != '-':
                needed = ['--'] if value.startswith('-') else []
            status = main([*words, *needed, given])
            out, err = capsys.readouterr()

            case = command, given[:60], status, err
            assert status == (255 if command == 'audit' else 2), case
            assert (out, err.count('\n')) == ('', 1), case
            shown = value[:40].split('\n')[0]
            assert shown in err, case
            assert REMEDY.search(err), case
            assert not [*tmp_path.iterdir()], case


def test_a_machine_type_of_qemu_and_its_distributions_is_taken():
    from sev_scheduling.cli.options.inputs import machine_type

    for name in (
        *('pc', 'q35', 'pc-q35-8.2', 'pc-i440fx-jammy-hpb', 'microvm'),
        *('pc-q35-rhel9.4.0', 'rhel6.6.0', 'ubuntu', 'ubuntu-q35', 'virt-9.1'),
        *('pc-0.12', 'isapc', 'xenfv-4.2', 'nitro-enclave'),
    ):
        assert machine_type(name) == name
