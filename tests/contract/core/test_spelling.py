"""Keys that nova itself knows are no near misses of others."""

import pytest
from nova.api.validation.extra_specs import validators
from nova.objects.image_meta import ImageMetaProps

from sev_scheduling.problems import Source
from sev_scheduling.request.spelling import EXTRA_SPECS, meant_key

validators.load_validators()
OF_NOVA = [
    (Source.FLAVOR, name)
    for name in validators.VALIDATORS
    if '{' not in name and '*' not in name
] + [(Source.IMAGE, name) for name in ImageMetaProps.fields]


@pytest.mark.parametrize(('source', 'key'), OF_NOVA)
def test_what_nova_knows_is_spelt_right(source, key):
    assert meant_key(source, key) is None


def test_extra_specs_that_are_read_are_nova_s():
    # Nova reads this one and validates it nowhere.
    without_validator = {'hw:maxphysaddr_mode'}

    assert EXTRA_SPECS - validators.VALIDATORS.keys() == without_validator
