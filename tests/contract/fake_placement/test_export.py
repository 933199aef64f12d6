"""A cloud that is exported and loaded answers as the live one did."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from sev_scheduling import explain, translate
from sev_scheduling.placement import PlacementClient, load_cloud
from sev_scheduling.placement.embedded import (
    anonymous,
    document,
    export_cloud,
    parse_cloud,
)
from tests.contract.fake_placement.strategies import clouds, outcome, write
from tests.contract.fake_placement.test_capacity import requests, roomy

pytestmark = pytest.mark.long


def empty(real: Any) -> None:
    from placement.db.sqlalchemy import models

    write(real, [])
    with real.engine.begin() as connection:
        connection.execute(models.PlacementAggregate.__table__.delete())


def answers(client: PlacementClient, request: Any) -> Any:
    """Return the candidates, and all that is said of a request."""
    query = translate(request)
    return (
        outcome(lambda: client.candidates(query)),
        client.hosts(),
        explain(client.feasibility(request)).operator(),
        explain(client.diagnose(request)).operator(),
        client.capacity(request).guests,
    )


@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(cloud=roomy(), request=requests())
def test_the_same_candidates_and_explanation(
    real: Any, cloud: Any, request: Any
) -> None:
    write(real, cloud)
    client = PlacementClient(real)
    exported = export_cloud(client)
    before = answers(client, request)

    keep = ('CUSTOM_GOLD', 'CUSTOM_NIC')
    other, names = anonymous(exported, keep)
    for replayed, new in ((exported, {}), (other, names)):
        empty(real)
        text = document(replayed)
        load_cloud(real, parse_cloud(json.loads(text), 'Export'))
        found = answers(PlacementClient(real), request)
        if not new:
            assert found == before
        else:
            _, _, feasibility, diagnosis, guests = before
            assert found[2:] == (
                _words(feasibility, new),
                _words(diagnosis, new),
                guests,
            )
            assert _counted(found[0]) == _counted(before[0])


def _words(text: str, names: dict[str, str]) -> str:
    for old in sorted(names, key=len, reverse=True):
        text = text.replace(old, names[old])
    return text


def _counted(found: Any) -> Any:
    """Return the amounts of candidates and summaries, without names."""
    requests, summaries = found
    return (
        len(requests),
        sorted(
            sorted(map(repr, summary.resources.values()))
            for summary in summaries.values()
        ),
    )


@settings(max_examples=6, deadline=None)
@given(cloud=clouds())
def test_what_is_loaded_is_exported_alike(real: Any, cloud: Any) -> None:
    write(real, cloud)
    text = document(export_cloud(PlacementClient(real)))
    empty(real)
    load_cloud(real, parse_cloud(json.loads(text), 'Export'))

    assert document(export_cloud(PlacementClient(real))) == text
