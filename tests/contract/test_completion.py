"""Real shells complete the words that the scripts give them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

#: Shell -> how to ask it for what may follow a line.
ASK = {
    'bash': """
        source /usr/share/bash-completion/bash_completion
        source {script}
        COMP_LINE={line!r} COMP_POINT={point}
        COMP_WORDS=({words} '{begun}') COMP_CWORD={count}
        _sev_scheduling
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """,
    'fish': 'source {script}; complete -C {line!r}',
    # Outside of a line editor zsh completes nothing: its builtin only prints.
    'zsh': """
        compdef() {{ }}
        _files() {{ print a-file }}
        compadd() {{ shift; print -l -- "$@" }}
        source {script}
        words=({words} '{begun}') CURRENT={count}+1
        _sev_scheduling
    """,
}
OPTIONS = {'bash': ['--norc'], 'fish': ['--no-config'], 'zsh': ['-f']}


@pytest.fixture(scope='module', params=sorted(ASK))
def following(request, tmp_path_factory):
    """Return a function: a line -> the words that may follow it."""
    shell = request.param
    if shutil.which(shell) is None or (
        shell == 'bash'
        and not Path('/usr/share/bash-completion/bash_completion').exists()
    ):
        pytest.skip(f'{shell} or its completion is not installed')
    folder = tmp_path_factory.mktemp(shell)
    command = Path(sys.executable).with_name('sev-scheduling')
    script = folder / 'script'
    with script.open('w') as file:
        subprocess.run(
            [command, 'complete', '--shell', shell], stdout=file, check=True
        )

    def ask(*words, begun=''):
        before = ' '.join(['sev-scheduling', *words])
        line = f'{before} {begun}'
        asked = ASK[shell].format(
            script=script,
            line=line,
            point=len(line),
            words=before,
            begun=begun,
            count=len(words) + 1,
        )
        ran = subprocess.run(
            [shell, *OPTIONS[shell], '-c', asked],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stderr == ''
        return set(ran.stdout.split())

    return ask


def test_the_first_word_is_a_command(following):
    found = following()

    assert {'check', 'explain', 'node', 'server'} <= found
    assert not {'a-file', 'script', 'detect'} & found


def test_the_second_word_is_of_the_group(following):
    assert following('server') == {'check', 'repair'}


def test_a_command_has_its_options(following):
    assert '--flavor' in following('check', begun='--fl')
    assert '--nova-release' in following('node', 'check', begun='--no')
