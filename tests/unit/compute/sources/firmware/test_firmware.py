"""Whatever the host has, and whoever chooses."""

import pytest
from hypothesis import given, settings

from sev_scheduling.compute.sources.firmware import (
    ERAS,
    Choice,
    Guest,
    chosen_by_libvirt,
    chosen_by_nova,
)
from sev_scheduling.models import BUILTIN_MODELS
from tests.unit.compute import descriptors
from tests.unit.compute.descriptors import chosen, found_in

Q35 = 'pc-q35-9.0'


@pytest.mark.parametrize('name', descriptors.SETS)
@pytest.mark.parametrize('model', BUILTIN_MODELS, ids=str)
@pytest.mark.parametrize('secure_boot', [False, True])
def test_whatever_is_chosen_is_among_the_descriptors(
    name, model, secure_boot, tmp_path
):
    found = found_in(tmp_path, descriptors.SETS[name])
    paths = {file.path for file in found.files}
    guest = Guest(model, Q35, model.stateless_firmware, secure_boot)

    for choice in (
        *(chosen_by_libvirt(found, guest, era) for era in ERAS),
        chosen_by_nova(found, guest),
    ):
        assert choice.descriptor is None or choice.problem is None
        assert chosen(choice) is None or chosen(choice) in paths


@settings(max_examples=60, deadline=None)
@given(descriptors.ANY_FOLDERS)
def test_whatever_is_there_ends_in_a_choice_or_none(tmp_path_factory, files):
    found = found_in(tmp_path_factory.mktemp('host'), files)

    for model in BUILTIN_MODELS:
        guest = Guest(model, Q35, model.stateless_firmware)
        for choice in (
            *(chosen_by_libvirt(found, guest, era) for era in ERAS),
            chosen_by_nova(found, guest),
        ):
            assert isinstance(choice, Choice)
            assert str(choice.problem or '').isprintable()
