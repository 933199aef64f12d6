"""The candidates of one answer, as guests take them."""

import pytest

from sev_scheduling.models import registered_models
from sev_scheduling.placement.claims.offers import Offers
from tests.unit.placement.fake_transport import (
    candidates_answer,
    candidates_of,
)


@pytest.mark.parametrize('known', [True, False])
def test_an_answer_agrees_with_hosts_that_it_has(known):
    answer = candidates_of(candidates_answer(1))
    now = candidates_of(candidates_answer(1 if known else 2))
    offers = Offers(
        answer,
        [registered_models()['amd-sev']],
        fits=lambda rank, tree: True,
        ask_names=lambda roots: {},
    )
    assert offers.agree(now.provider_summaries) is known
