import contextlib
import io
import re

import pytest

from sev_scheduling.cli.commands.demo import CASES, STORY
from sev_scheduling.cli.main import main


def demo(folder, *args):
    """Return what the demo prints in a folder."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        assert (main(['demo', *args]), stderr.getvalue()) == (0, '')
    assert list(folder.iterdir()) == []
    return stdout.getvalue()


def cases(text):
    """Return number -> what is printed below its heading."""
    parts = re.split(r'^([0-9]+)\. .*\n', text, flags=re.MULTILINE)
    numbers = map(int, parts[1::2])
    return dict(zip(numbers, parts[2::2], strict=True))


def fields(case):
    """Return label -> what stands in its last field."""
    found = {}
    for line in case.rstrip().partition('\n\n')[0].splitlines():
        label, words = line[:8].strip(), line[8:]
        if label:
            found[label] = words
            last = label
        else:
            found[last] += f'\n{words}'
    return found


@pytest.fixture(scope='module')
def everything(tmp_path_factory):
    return demo(tmp_path_factory.mktemp('elsewhere'), '--all')


@pytest.fixture(scope='module')
def story(tmp_path_factory):
    return demo(tmp_path_factory.mktemp('elsewhere'))


def test_the_story_is_four_cases_in_sixty_lines(story):
    assert STORY == 4
    assert [*cases(story)] == [1, 2, 3, 4]
    assert len(story.splitlines()) <= 60


def test_the_story_tells_what_is_scarce_and_why(story):
    placed, machine_type, full, plain = map(fields, cases(story).values())

    assert placed['Placed'] == 'rome-pc-1, amd-sev'
    assert 'machine type pc' in machine_type['Hosts']
    assert 'hw_machine_type=q35 debian-13-uefi' in machine_type['Hosts']
    assert {'Hosts', 'Nowhere', 'User'} <= full.keys()
    assert '285 of 285' in full['Hosts']
    assert 'naples' not in full['User']
    assert plain['Placed'] == '3 on plain-1'


@pytest.mark.parametrize('which', ['everything', 'story'])
def test_the_demo_fits_a_hundred_columns_in_plain_text(request, which):
    told = request.getfixturevalue(which)

    assert '\033' not in told
    # A command is whole, to be copied.
    lines = [ln for ln in told.splitlines() if '  openstack ' not in ln]
    assert max(map(len, lines)) <= 100


ENDS = {
    1: ('Placed', 'rome-pc-1, amd-sev'),
    2: ('Nowhere', '3 of 4 guests fit'),
    3: ('Nowhere', 'No host can take the guest.'),
    4: ('Placed', '3 on plain-1'),
    5: ('Refused', ''),
    6: ('Placed', 'milan-1, amd-sev-es'),
    7: ('Placed', 'genoa-both-1, amd-sev-snp'),
    8: ('Refused', ''),
    9: ('Nowhere', 'No host can take the guest.'),
    10: ('Refused', ''),
    11: ('Nowhere', 'No host can take the guest.'),
    12: ('Placed', 'genoa-both-1, amd-sev-snp'),
}


@pytest.mark.parametrize('number', ENDS)
def test_a_case_has_its_end(everything, number):
    found = fields(cases(everything)[number])

    label, words = ENDS[number]
    assert words in found[label]
    assert len(found.keys() & {'Placed', 'Nowhere', 'Refused'}) == (
        2 if CASES[number - 1].before else 1
    )


def test_every_case_has_an_end():
    assert [*ENDS] == [*range(1, len(CASES) + 1)]


def test_a_case_alone_is_the_same_as_among_all(everything, tmp_path):
    alone = cases(demo(tmp_path, '6', '2'))

    assert [*alone] == [6, 2]
    assert fields(alone[2]) == fields(cases(everything)[2])


def test_a_case_alone_shows_what_placement_is_asked(everything, story):
    query = '&required_MEM_ENCRYPTION=HW_CPU_X86_AMD_SEV'

    assert query in cases(everything)[1]
    assert query not in story
