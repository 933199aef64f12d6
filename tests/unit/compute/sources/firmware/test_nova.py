import pytest

from sev_scheduling.compute.sources.firmware import (
    Guest,
    chosen_by_nova,
    nova_problems,
    nova_refuses,
)
from sev_scheduling.hosts.check import NoteCode
from sev_scheduling.models import find_model
from tests.unit.compute import descriptors
from tests.unit.compute.descriptors import found_in

Q35 = 'pc-q35-9.0'


@pytest.mark.parametrize(
    ('name', 'code'),
    [
        ('what Debian sid ships', None),
        ('an empty object', None),
        ('another extension', None),
        ('no JSON', 'descriptor-not-json'),
        ('etc masks share with an empty file', 'descriptor-not-json'),
        ('a directory among them', 'descriptor-no-file'),
    ],
)
def test_nova_stops_at_what_is_no_json(name, code, tmp_path):
    found = found_in(tmp_path, descriptors.SETS[name])
    problem = nova_refuses(found)

    assert (problem and problem.code) == code


def test_nova_passes_over_what_lacks_a_key(tmp_path):
    found = found_in(tmp_path, descriptors.SETS['an empty object'])

    (problem,) = nova_problems(found)

    assert problem.values['key'] == 'targets'


def test_nova_stops_at_a_type_that_it_does_not_expect(tmp_path):
    found = found_in(tmp_path, descriptors.SETS['an empty list'])

    choice = chosen_by_nova(found, Guest(find_model('amd-sev'), Q35))

    assert choice.problem.code is NoteCode.DESCRIPTOR_TYPE


def test_nova_takes_firmware_that_does_not_list_the_model(tmp_path):
    found = found_in(tmp_path, descriptors.SETS['what Debian 12 ships'])

    choice = chosen_by_nova(found, Guest(find_model('amd-sev-es'), Q35))

    assert choice.descriptor.files == ('/fw/CODE_4M.fd', '/fw/VARS_4M.fd')


def test_a_guest_without_variables_needs_no_template(tmp_path):
    found = found_in(tmp_path, descriptors.SETS['what Debian 12 ships'])

    choice = chosen_by_nova(found, Guest(find_model('amd-sev'), Q35, True))

    assert choice.descriptor.files == ('/fw/CODE_4M.fd',)
