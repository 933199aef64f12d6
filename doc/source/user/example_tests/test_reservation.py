"""How another project tests its scheduler."""

import pytest

from sev_scheduling import NoCapacity, parse
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.testing import add_host, make_flavor, make_image


def reserve(client, flavor, image, count):
    """Your own code: it asks for slots and says where they are."""
    request = parse(flavor, image)
    placed = client.schedule(request, count, owner='reservations')
    return sorted(placement.host for placement in placed)


def test_guests_go_to_the_hosts_with_free_slots(
    fake_placement, placement_client
):
    add_host(fake_placement, 'epyc-01', pools={'amd-sev': 1})
    add_host(fake_placement, 'epyc-02', pools={'amd-sev': 1})
    add_host(fake_placement, 'xeon-01', pools={})

    hosts = reserve(placement_client, make_flavor(), make_image(), 2)

    assert hosts == ['epyc-01', 'epyc-02']
    assert all(
        h.pools['amd-sev'].free == 0
        for h in placement_client.hosts()
        if h.pools
    )


def test_a_full_cloud_is_told_in_words(fake_placement, placement_client):
    full = SlotPool(15, used=15)
    add_host(fake_placement, 'epyc-01', pools={'amd-sev': full})

    with pytest.raises(NoCapacity) as caught:
        reserve(placement_client, make_flavor(), make_image(), 1)

    text = caught.value.explanation.operator()
    assert 'no free amd-sev slot (15 of 15 in use)' in text
