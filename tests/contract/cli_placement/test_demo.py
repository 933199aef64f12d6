import contextlib
import io
import re

import pytest

from sev_scheduling.cli.main import main


@pytest.fixture(scope='module')
def told(tmp_path_factory):
    """What the command prints, from any directory."""
    stdout, stderr = io.StringIO(), io.StringIO()
    elsewhere = tmp_path_factory.mktemp('elsewhere')
    with (
        contextlib.chdir(elsewhere),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
    ):
        assert (main(['demo']), stderr.getvalue()) == (0, '')
    assert list(elsewhere.iterdir()) == []
    return stdout.getvalue()


@pytest.mark.parametrize(
    'words',
    [
        pytest.param('A cloud of 41 hosts', id='the cloud'),
        pytest.param(
            'Asked   3 guests of flavor m1.sev and image debian-13-uefi: ',
            id='what was asked',
        ),
        pytest.param(
            '&required_MEM_ENCRYPTION=HW_CPU_X86_AMD_SEV_ES',
            id='the query',
        ),
        pytest.param('default to machine type pc', id='what hosts said'),
        pytest.param('Placed  2 on naples-01, 1 on naples-02', id='where'),
        pytest.param('Left    154 free amd-sev slots', id='what is left'),
        pytest.param(
            'Nowhere Only 3 of 4 guests fit, so none was placed',
            id='all or nothing',
        ),
        pytest.param('(CVE-2025-48514)', id='SEV-ES and SEV-SNP'),
        pytest.param('Flavor m1.plain is not ready for it:', id='a conflict'),
        pytest.param(
            '--property hw_firmware_stateless=true', id='several problems'
        ),
        pytest.param('User    No host can run this', id='the tenant view'),
        pytest.param('would do but for support of', id='a diagnosis'),
        pytest.param('Placed  plain-1\n', id='no encryption'),
        pytest.param('Placed  genoa-both-2, amd-sev-snp', id='the best'),
    ],
)
def test_the_demo_tells(told, words):
    assert words in told


def test_the_demo_fits_a_hundred_columns_in_plain_text(told):
    assert '\033' not in told
    # A command is whole, to be copied.
    lines = [ln for ln in told.splitlines() if '  openstack ' not in ln]
    assert max(map(len, lines)) <= 100


def test_every_guest_has_an_end(told):
    guests = re.split(r'^[0-9]+\. ', told, flags=re.MULTILINE)[1:]

    assert len(guests) == 13
    for guest in guests:
        assert len(re.findall('^(Placed|Nowhere|Refused) ', guest, re.M)) == 1
