"""What flavors and images say after fixes."""

from dataclasses import replace

import pytest

from sev_scheduling.problems import Fix, Target
from sev_scheduling.request.sources import flavor_view, image_view
from sev_scheduling.rules.changes import changed

FLAVOR = flavor_view({'name': 'm1', 'vcpus': 1, 'ram': 1, 'properties': {}})
IMAGE = image_view({'name': 'i', 'properties': {}})


def fix(*, unset=(), **values):
    return Fix(target=Target.IMAGE, name='i', set=values, unset=unset)


@pytest.mark.parametrize(
    ('fixes', 'left'),
    [
        pytest.param([], {'a': '1'}, id='nothing'),
        pytest.param([fix(b='2')], {'a': '1', 'b': '2'}, id='set'),
        pytest.param([fix(a='2')], {'a': '2'}, id='replaced'),
        pytest.param([fix(unset=('a',))], {}, id='removed'),
        pytest.param([fix(unset=('z',))], {'a': '1'}, id='not there'),
        pytest.param(
            [fix(unset=('a',)), fix(a='3')], {'a': '3'}, id='one after another'
        ),
    ],
)
def test_fixes_are_made_in_their_order(fixes, left):
    flavor = replace(FLAVOR, extra_specs={'a': '1'})
    image = replace(IMAGE, properties={'a': '1'}, unread={'a': '1', 'c': '1'})

    assert changed(flavor, fixes).extra_specs == left
    after = changed(image, fixes)
    assert after.properties == left
    # What could not be read is gone where it is removed.
    removed = any('a' in fix.unset for fix in fixes)
    assert after.unread.keys() == ({'c'} if removed else {'a', 'c'})
    # Those that were given stay as they are.
    assert flavor.extra_specs == image.properties == {'a': '1'}
