"""The commands in the README and the documentation do what they show.

A page's lines that begin with ``$ sev-scheduling`` or ``$ cp`` in console
blocks are run in their order, with ``examples/`` of the source tree and what
the commands before them wrote at hand. The lines below one are what it prints
on standard output, then on standard error; ``...`` stands for anything.
"""

import dataclasses
import doctest
import pathlib
import re
import shlex
import shutil
import textwrap

import pytest

from sev_scheduling.cli.main import main

ROOT = pathlib.Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in (ROOT / 'README.rst', *ROOT.glob('doc/source/**/*.rst'))
}

#: Not run: they ask the OpenStack cloud or Placement of whoever reads.
NEEDS_A_CLOUD = (
    'sev-scheduling capacity --os-cloud mycloud',
    'sev-scheduling export --os-cloud mycloud > case.json',
    'sev-scheduling capacity --placement-url http://controller:8778/placement',
    'sev-scheduling explain --flavor flavor.json --image image.json',
)

_BLOCK = re.compile(
    r'^\.\. code-block:: console\n\n((?:(?:   .*)?\n)+)', re.MULTILINE
)
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_PYTHON = re.compile(
    r'^\.\. code-block:: (python|text)\n\n((?:(?:   .*)?\n)+)', re.MULTILINE
)


@dataclasses.dataclass
class Command:
    """What a page has a user type, and what the user then sees."""

    line: str
    shown: str = ''


def commands(page):
    """Return a page's commands, in their order."""
    found = []
    for block in _BLOCK.findall(page.read_text()):
        text = re.sub(r' \\\n +', ' ', re.sub('^   ', '', block, flags=re.M))
        for line in text.splitlines():
            if line.startswith(('$ ', '# ')):
                found.append(Command(line))
            elif found:
                found[-1].shown += f'{line}\n'
    for command in found:
        command.shown = command.shown.strip()
    return [
        Command(command.line[2:], command.shown)
        for command in found
        if command.line.startswith('$ ')
    ]


def matches(shown, got):
    return doctest.OutputChecker().check_output(shown, got, _FLAGS)


def ours(page):
    return [c for c in commands(page) if c.line.startswith('sev-scheduling ')]


@pytest.mark.parametrize('page', [p for p in PAGES if ours(PAGES[p])])
def test_the_commands_of_a_page_do_what_it_shows(
    page, capsys, monkeypatch, tmp_path
):
    monkeypatch.setenv('COLUMNS', '100')
    monkeypatch.chdir(tmp_path)
    # What a page reads is in the source tree; what it writes is not.
    (tmp_path / 'examples').symlink_to(ROOT / 'examples')

    for command in commands(PAGES[page]):
        if command.line.startswith('cp '):
            shutil.copy(*shlex.split(command.line)[1:])
        elif (
            command.line.startswith('sev-scheduling ')
            and command.line not in NEEDS_A_CLOUD
        ):
            line, _, written = command.line.partition(' > ')
            status = main(shlex.split(line)[1:])
            printed = capsys.readouterr()
            got = f'{printed.out}{printed.err}'
            if written:
                pathlib.Path(written).write_text(printed.out)
                got = printed.err
            # Where findings are failures, audit exits as nova-status does.
            known = (0, 1, 2) if ' audit ' in line else (0, 1)
            assert status in known, (command.line, got)
            if command.shown:
                assert matches(command.shown, got), (command.line, got)


@pytest.mark.parametrize('page', ['README.rst', *(
    f'doc/source/{name}.rst'
    for name in ('user/quickstart', 'operator/compute-host')
)])  # fmt: skip
def test_the_pages_with_commands_are_found(page):
    assert len([c for c in ours(PAGES[page]) if c.shown]) >= 1


@pytest.mark.parametrize('line', NEEDS_A_CLOUD)
def test_a_command_that_is_not_run_is_shown_somewhere(line):
    lines = {c.line for page in PAGES.values() for c in commands(page)}

    assert line in lines


def test_the_programs_of_the_api_page_print_what_it_shows(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    page = PAGES['doc/source/reference/api.rst'].read_text()
    blocks = [
        (kind, textwrap.dedent(text)) for kind, text in _PYTHON.findall(page)
    ]
    assert [kind for kind, _ in blocks] == ['python', 'text'] * 2

    names = {}
    for kind, text in blocks:
        if kind == 'python':
            exec(text, names)
        else:
            got = capsys.readouterr().out
            assert matches(text, got), got
