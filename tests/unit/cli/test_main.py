import errno
import importlib.metadata
import inspect
import io
import logging
import signal
import subprocess
import sys
import threading

import pytest

from sev_scheduling import exceptions, explain
from sev_scheduling.cli import commands
from sev_scheduling.cli import main as shell
from sev_scheduling.cli.app import Shell
from sev_scheduling.cli.commands import check


def raising(error):
    def take_action(*args):
        raise error

    return take_action


@pytest.fixture
def run_raising(run, monkeypatch, flavor):
    """Run a command that raises what it is given."""

    def run_raising(error, *options):
        monkeypatch.setattr(check.Check, 'take_action', raising(error))
        return run(*options, 'check', '--flavor', flavor('m1.sev'))

    return run_raising


@pytest.mark.parametrize(
    ('error', 'status', 'told'),
    [
        pytest.param(
            exceptions.InputError('No such thing.'), 2,
            'sev-scheduling: No such thing.\n', id='input that is unusable',
        ),
        pytest.param(
            exceptions.SpecError('Flavor is a fish.'), 2,
            'sev-scheduling: Flavor is a fish.\n', id='no flavor',
        ),
        pytest.param(
            exceptions.PlacementUnavailable('No answer.'), 2,
            'sev-scheduling: No answer.\n', id='Placement that is away',
        ),
        pytest.param(
            exceptions.NoCapacity(explain(())), 1,
            'sev-scheduling: No host can take the guest.\n', id='no capacity',
        ),
        pytest.param(
            exceptions.InvalidRequest(()), 1, 'sev-scheduling: \n',
            id='an invalid request',
        ),
        pytest.param(
            KeyError('a\nb'), 70,
            "sev-scheduling: This is a defect of sev-scheduling: KeyError: "
            "'a\\nb'; run again with --debug, and report what it prints.\n",
            id='a defect',
        ),
        pytest.param(
            FileNotFoundError(errno.ENOENT, 'Gone'), 70,
            'sev-scheduling: This is a defect of sev-scheduling: '
            'FileNotFoundError: [Errno 2] Gone; run again with --debug, and '
            'report what it prints.\n',
            id='a file that a defect looked for',
        ),
        pytest.param(
            OSError(errno.ENOSPC, 'No space left on device'), 2,
            'sev-scheduling: The output cannot be written: No space left on '
            'device.\n',
            id='a full disk',
        ),
        pytest.param(BrokenPipeError(), 141, '', id='a reader who left'),
        pytest.param(KeyboardInterrupt(), 130, '', id='Ctrl-C'),
    ],
)  # fmt: skip
def test_what_a_command_raises_becomes_a_status_and_one_line(
    run_raising, error, status, told
):
    ran = run_raising(error)

    assert (ran.status, ran.out, ran.err) == (status, '', told)


@pytest.mark.parametrize(
    ('pages', 'status', 'told'),
    [
        pytest.param(1, 2, 'The database cannot be written: ', id='full'),
        pytest.param(9, 70, 'This is a defect of ', id='no such table'),
    ],
)
def test_a_disk_that_fails_the_database_is_no_defect(
    run_raising, pages, status, told
):
    sqlalchemy = pytest.importorskip('sqlalchemy')
    engine = sqlalchemy.create_engine('sqlite://')
    statement = 'CREATE TABLE t (x)' if pages == 1 else 'SELECT * FROM t'
    with engine.begin() as connection:
        connection.exec_driver_sql(f'PRAGMA max_page_count = {pages}')
        with pytest.raises(sqlalchemy.exc.OperationalError) as caught:
            connection.exec_driver_sql(statement)

    ran = run_raising(caught.value)
    assert ran.status == status
    assert ran.err.startswith(f'sev-scheduling: {told}')
    assert ran.err.count('\n') == 1


@pytest.mark.parametrize(
    ('error', 'status'),
    [
        pytest.param(exceptions.InputError('No.'), 2, id='input'),
        pytest.param(ZeroDivisionError('Oh.'), 70, id='a defect'),
    ],
)
def test_debug_shows_where(run_raising, error, status):
    ran = run_raising(error, '--debug')

    assert ran.status == status
    assert 'Traceback (most recent call last)' in ran.err
    assert 'in take_action' in ran.err


@pytest.mark.parametrize(
    ('args', 'told'),
    [
        pytest.param(
            ['chekc'],
            "sev-scheduling: 'chekc' is not a command; did you mean check? "
            "See 'sev-scheduling --help'.\n",
            id='a command that nearly is one',
        ),
        pytest.param(
            ['node', 'chekc'],
            "sev-scheduling: 'node chekc' is not a command; did you mean node "
            "check? See 'sev-scheduling --help'.\n",
            id='a second word that nearly is one',
        ),
        pytest.param(
            ['capasity', 'me', '--cloud', 'x'],
            "sev-scheduling: 'capasity me' is not a command; did you mean "
            "capacity? See 'sev-scheduling --help'.\n",
            id='a command that nearly is one, and its argument',
        ),
        pytest.param(
            ['node', '--root', '/'],
            "sev-scheduling: 'node' is not a command; did you mean node check "
            'or node detect or node provider-config or node reserve? See ',
            id='the first word of several commands',
        ),
        pytest.param(
            ['help', 'nothing', 'such'],
            "sev-scheduling: 'nothing such' is not a command;",
            id='help for no command',
        ),
        pytest.param(
            ['--cloud', 'x'],
            'sev-scheduling: --cloud is not an option; see sev-scheduling '
            '--help\n',
            id='an option before the command',
        ),
        pytest.param(
            ['-f', 'json'],
            'sev-scheduling: -f is not an option;',
            id='a formatter without a command',
        ),
        pytest.param(
            ['check'],
            'sev-scheduling check: the following arguments are required: '
            '--flavor; see sev-scheduling check --help\n',
            id='no flavor',
        ),
        pytest.param(
            ['check', '--flavor', 'x', '--fish'],
            'sev-scheduling check: unrecognized arguments: --fish; see ',
            id='an option that is none',
        ),
        pytest.param(
            ['check', '--flavor', 'x', '-f', 'fish'],
            'sev-scheduling check: argument -f/--format: invalid choice: ',
            id='a formatter that is none',
        ),
        pytest.param(
            ['check', '--flavor', 'x', '-c', 'Fish'],
            "sev-scheduling: --column 'Fish' is not one of Code, Severity, "
            'Where, Message, Fix, Caveats, Advice.\n',
            id='a column that is none',
        ),
        pytest.param(
            ['translate', '--flavor', 'x', '--limit', '0'],
            "sev-scheduling translate: argument --limit: '0' is not a whole "
            'number from 1 to 2147483647; see ',
            id='a number just too small',
        ),
        pytest.param(
            ['translate', '--flavor', 'x', '--limit', 'many'],
            "sev-scheduling translate: argument --limit: 'many' is not",
            id='a number that is none',
        ),
        pytest.param(
            ['--log-file', '/nowhere/log', 'check', '--flavor', 'x'],
            "sev-scheduling: --log-file '/nowhere/log' cannot be written: No "
            'such file or directory.\n',
            id='a log file in no folder',
        ),
        pytest.param(
            ['--log-file'],
            'sev-scheduling: argument --log-file: expected one argument;',
            id='an option without its value',
        ),
    ],
)
def test_bad_usage_is_reported_in_one_line(run, args, told):
    ran = run(*args)

    assert (ran.status, ran.out) == (2, '')
    assert ran.err.startswith(told)
    assert ran.err.count('\n') == 1


@pytest.mark.parametrize(
    'args',
    [
        pytest.param([], id='nothing at all'),
        pytest.param(['--help'], id='help'),
        pytest.param(['help'], id='the help command'),
    ],
)
def test_commands_are_listed(run, args):
    ran = run(*args)

    assert (ran.status, ran.err) == (0, '')
    commands = ran.out.partition('Commands:\n')[2]
    assert '  check          Say whether a flavor and an image' in commands


def test_a_list_of_commands_has_the_summary_of_each(run):
    summaries = {}
    for name, entry_point in Shell().command_manager:
        words = inspect.getdoc(entry_point.load()).splitlines()[0].rstrip('.')
        summaries[name] = words

    assert summaries == commands.SUMMARIES


def test_a_list_of_commands_imports_none():
    code = (
        'import sys; from sev_scheduling.cli.main import main; '
        "main(['--help']); print(*sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, '-c', code],
        check=True,
        capture_output=True,
        text=True,
    )

    prefix = 'sev_scheduling.cli.commands.'
    loaded = {name for name in ran.stdout.split() if name.startswith(prefix)}
    assert loaded == {f'{prefix}complete'}


def test_a_command_of_another_package_is_listed_with_its_own_summary(
    run, monkeypatch
):
    points = importlib.metadata.entry_points

    def with_another(*, group):
        value = 'sev_scheduling.cli.commands.check:Check'
        return [
            *points(group=group),
            importlib.metadata.EntryPoint('other_one', value, group),
        ]

    monkeypatch.setattr(importlib.metadata, 'entry_points', with_another)
    ran = run('--help')

    assert '  other one      Say whether a flavor and an image' in ran.out


@pytest.mark.parametrize(
    'args',
    [
        pytest.param(['help', 'check'], id='the help command'),
        pytest.param(['check', '--help'], id='its option'),
        pytest.param(['check', '--flavor', 'x', '-h'], id='a late option'),
    ],
)
def test_a_command_has_help_with_its_example_as_written(run, args):
    ran = run(*args)

    assert (ran.status, ran.err) == (0, '')
    assert '\n    $ openstack flavor show -f json m1.sev > fla' in ran.out
    # What is asked for comes before how it is printed.
    assert ran.out.index('--boot-from-volume') < ran.out.index('--format')


def test_the_beginning_of_a_command_lists_those_that_have_it(run):
    ran = run('help', 'node')

    assert ran.status == 0
    assert '  node check\n' in ran.out


def test_the_version_is_that_of_the_distribution(run):
    version = importlib.metadata.version('sev-scheduling')

    assert run('--version').out == f'sev-scheduling {version}\n'


def test_each_command_has_help(run):
    commands = importlib.metadata.entry_points(group='sev_scheduling.cli')

    assert commands
    for command in commands:
        words = command.name.replace('_', ' ')
        ran = run('help', *words.split())
        assert ran.status == 0
        assert ran.out.startswith(f'usage: sev-scheduling {words} ')


@pytest.mark.parametrize(
    ('options', 'seen'),
    [
        pytest.param([], ['WARNING: w'], id='by default'),
        pytest.param(['-q'], [], id='quiet'),
        pytest.param(['-v'], ['INFO: i', 'WARNING: w'], id='verbose'),
        pytest.param(
            ['-vv'], ['DEBUG: d', 'INFO: i', 'WARNING: w'], id='very verbose'
        ),
        pytest.param(
            ['--debug'], ['DEBUG: d', 'INFO: i', 'WARNING: w'], id='debug'
        ),
    ],
)
def test_log_messages_go_to_standard_error(
    run, monkeypatch, flavor, options, seen
):
    def rows(*args):
        log = logging.getLogger('sev_scheduling.some')
        log.debug('d')
        log.info('i')
        log.warning('w')
        return []

    monkeypatch.setattr(check.Check, 'rows', rows)
    ran = run(*options, 'check', '-f', 'json', '--flavor', flavor('m1.sev'))

    assert (ran.status, ran.out) == (0, '[]\n')
    mine = {'DEBUG: d', 'INFO: i', 'WARNING: w'}
    assert [line for line in ran.err.splitlines() if line in mine] == seen


def test_a_log_file_is_written_and_logging_left_as_it_was(
    run, monkeypatch, flavor, tmp_path
):
    def rows(*args):
        logging.getLogger('sev_scheduling.some').info('A message')
        return []

    monkeypatch.setattr(check.Check, 'rows', rows)
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    ran = run(
        *('--log-file', tmp_path / 'log', 'check', '-f', 'json'),
        *('--flavor', flavor('m1.sev')),
    )

    assert (ran.status, ran.err) == (0, '')
    assert 'sev_scheduling.some A message' in (tmp_path / 'log').read_text()
    assert (root.level, list(root.handlers)) == before


def test_without_cliff_one_line_says_what_to_install(run, monkeypatch):
    monkeypatch.delitem(sys.modules, 'sev_scheduling.cli.app', raising=False)
    monkeypatch.setitem(sys.modules, 'cliff', None)
    ran = run('check')

    assert (ran.status, ran.out) == (2, '')
    assert ran.err == (
        'sev-scheduling: The command line needs cliff, which is not '
        "installed; install it with pip install 'sev-scheduling[cli]', or in "
        "the source tree with pip install '.[cli]'.\n"
    )


def test_an_output_that_breaks_late_is_noticed(monkeypatch, capsys):
    class Closed(io.StringIO):
        def flush(self):
            raise BrokenPipeError

    monkeypatch.setattr(sys, 'stdout', Closed())

    assert shell.main(['--version']) == shell.EXIT_BROKEN_PIPE
    assert capsys.readouterr().err == ''


def test_a_standard_error_that_is_closed_changes_nothing(monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, 'stderr', Closed())

    assert shell.main(['chekc']) == shell.EXIT_USAGE


def test_a_closed_standard_error_does_not_spoil_the_output(run, monkeypatch):
    # As 2>&- leaves it; print() would then take standard output.
    monkeypatch.setattr(sys, 'stderr', None)
    ran = run('check', '--flavor', 'missing')

    assert (ran.status, ran.out) == (2, '')


def test_a_closed_standard_output_is_reported_before_anything_is_done(
    run, monkeypatch
):
    monkeypatch.setattr(sys, 'stdout', None)
    ran = run('check', '--flavor', 'missing')

    assert ran.status == 2
    assert ran.err == (
        'sev-scheduling: Standard output is closed; send it somewhere.\n'
    )


ENDING = [
    pytest.param(signal.SIGHUP, 129, id='the terminal is gone'),
    pytest.param(signal.SIGINT, 130, id='Ctrl-C'),
    pytest.param(signal.SIGTERM, 143, id='an order to end'),
]


class Finalized:
    """Something that gets a signal while nobody can raise."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


@pytest.mark.parametrize(('number', 'status'), ENDING)
@pytest.mark.parametrize('finalizer', [False, True], ids=['now', 'lost'])
def test_a_signal_ends_a_command_after_it_has_cleaned_up(
    run, monkeypatch, request, flavor, number, status, finalizer
):
    cleaned = []
    # nohup, and a shell's background jobs, leave signals ignored.
    kept = signal.signal(number, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(number, kept))

    def rows(*args):
        try:
            if finalizer:
                Finalized(number)
                threading.Event().wait(30)
            signal.raise_signal(number)
        finally:
            cleaned.append(True)

    monkeypatch.setattr(check.Check, 'rows', rows)
    before = [signal.getsignal(n.values[0]) for n in ENDING]
    hook = sys.unraisablehook
    ran = run('check', '--flavor', flavor('m1.sev'))

    assert (ran.status, ran.out, ran.err) == (status, '', '')
    assert cleaned
    assert [signal.getsignal(n.values[0]) for n in ENDING] == before
    assert sys.unraisablehook is hook


def test_a_signal_that_is_ignored_stays_so(run, monkeypatch, flavor):
    def rows(*args):
        signal.raise_signal(signal.SIGHUP)
        return []

    monkeypatch.setattr(check.Check, 'rows', rows)
    # As nohup does.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        ran = run('check', '-f', 'json', '--flavor', flavor('m1.sev'))
    finally:
        signal.signal(signal.SIGHUP, before)

    assert (ran.status, ran.out) == (0, '[]\n')


@pytest.mark.parametrize('ends', [False, True], ids=['goes on', 'ends'])
def test_what_else_a_finalizer_raises_is_news_unless_the_command_ends(
    run, monkeypatch, flavor, ends
):
    class Broken:
        def __del__(self):
            raise ValueError('broken')

    def rows(*args):
        try:
            if ends:
                signal.raise_signal(signal.SIGINT)
        finally:
            Broken()
        return []

    told = []
    monkeypatch.setattr(check.Check, 'rows', rows)
    monkeypatch.setattr(
        sys, 'unraisablehook', lambda lost: told.append(str(lost.exc_value))
    )
    # A job in the background is started without.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        ran = run('check', '-f', 'json', '--flavor', flavor('m1.sev'))
    finally:
        signal.signal(signal.SIGINT, before)

    assert ran.status == (130 if ends else 0)
    assert ran.err == ''
    assert told == ([] if ends else ['broken'])


def test_a_thread_may_run_a_command(run, flavor):
    ran = []
    thread = threading.Thread(
        target=lambda: ran.append(
            run('check', '-f', 'json', '--flavor', flavor('m1.plain')).status
        )
    )
    thread.start()
    thread.join()

    assert ran == [0]


HEAVY = ('keystoneauth1', 'openstack', 'placement', 'prometheus_client',
         'requests', 'rich', 'sqlalchemy', 'nova')  # fmt: skip


def test_listing_the_commands_imports_nothing_heavy():
    program = (
        'import sys; from sev_scheduling.cli.main import main; main([]); '
        f'print(sorted(set(sys.modules).intersection({HEAVY})))'
    )
    ran = subprocess.run(
        [sys.executable, '-c', program],
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.splitlines()[-1] == '[]'
