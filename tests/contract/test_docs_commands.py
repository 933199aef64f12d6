"""The commands in the README and the documentation do what they show.

A console block's lines that begin with ``$ sev-scheduling`` are run from the
top of the source tree; the lines below one are what it prints on standard
output and standard error, where ``...`` stands for anything.
"""

import doctest
import pathlib
import re
import shlex

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / 'README.rst', *sorted((ROOT / 'doc/source').rglob('*.rst'))]

_BLOCK = re.compile(
    r'^\.\. code-block:: console\n\n((?:(?:   .*)?\n)+)', re.MULTILINE
)
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def commands():
    for page in PAGES:
        for block in _BLOCK.findall(page.read_text()):
            lines = [line[3:] for line in block.rstrip('\n').split('\n')]
            shown: list[str] = []
            command = None
            for line in [*lines, '$ ']:
                if line.startswith('$ '):
                    if command:
                        yield pytest.param(
                            command,
                            '\n'.join(shown).strip(),
                            id=f'{page.relative_to(ROOT)}: {command}',
                        )
                    command = None
                    if line.startswith('$ sev-scheduling '):
                        command = line[2:]
                    shown = []
                else:
                    shown.append(line)


@pytest.mark.parametrize(('command', 'shown'), commands())
def test_a_command_in_the_docs_prints_what_the_docs_show(
    command, shown, capsys, monkeypatch, tmp_path
):
    from sev_scheduling.cli.shell import main

    monkeypatch.setenv('COLUMNS', '100')
    monkeypatch.chdir(tmp_path)
    # What a page reads is in the source tree; what it writes is not.
    (tmp_path / 'examples').symlink_to(ROOT / 'examples')

    status = main(shlex.split(command)[1:])

    printed = capsys.readouterr()
    assert status in (0, 1), printed.err
    if shown:
        got = f'{printed.out}{printed.err}'
        assert doctest.OutputChecker().check_output(shown, got, _FLAGS), got


def test_the_readme_has_commands_to_run():
    assert any('README' in param.id for param in commands())
