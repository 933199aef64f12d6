import shlex

import pytest

from sev_scheduling.cli.app import Shell


@pytest.mark.parametrize('shell', ['bash', 'fish', 'zsh'])
def test_the_script_has_every_command(run, shell):
    ran = run('complete', '--shell', shell)

    assert (ran.status, ran.err) == (0, '')
    words = ran.out.replace("'", ' ').split()
    for name, _ in Shell().command_manager:
        assert set(name.split()) <= set(words), name


@pytest.mark.parametrize(
    ('shell', 'line'),
    [
        ('fish', "case {}\n            echo '{}"),
        ('zsh', "    {} '{}"),
    ],
)
def test_a_group_has_its_commands_and_a_command_its_options(run, shell, line):
    out = run('complete', '--shell', shell).out

    assert line.format('server', "check repair'") in out
    assert line.format("'server check'", '--column --') in out
    assert '==SUPPRESS==' not in out


def test_every_line_is_read_by_a_shell(run):
    for shell in 'fish', 'zsh':
        assert shlex.split(run('complete', '--shell', shell).out)


def test_another_shell_is_refused_in_one_line(run):
    ran = run('complete', '--shell', 'tcsh')

    assert (ran.status, ran.out) == (2, '')
    assert 'tcsh' in ran.err
    assert ran.err.count('\n') == 1
