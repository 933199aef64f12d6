import pytest

from sev_scheduling.placement import embedded_placement
from tests.unit import strategies


@pytest.fixture(scope='module')
def placement():
    """The real Placement, which knows the custom names of the tests."""
    with embedded_placement() as adapter:
        for trait in strategies.CUSTOM_TRAITS:
            adapter.put(f'/traits/{trait}', microversion='1.33')
        for name in strategies.CUSTOM_CLASSES:
            adapter.put(f'/resource_classes/{name}', microversion='1.33')
        yield adapter
