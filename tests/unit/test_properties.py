"""What holds for any flavor and image."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sev_scheduling import (
    Host,
    InvalidRequest,
    SlotPool,
    SpecError,
    explain,
    filter_hosts,
    parse,
    translate,
    validate,
)
from tests.unit import strategies

quickly = settings(deadline=None, max_examples=200)


@quickly
@given(strategies.ANY_FLAVORS, strategies.ANY_IMAGES)
def test_parse_and_validate_raise_nothing_but_spec_error(flavor, image):
    try:
        request = parse(flavor, image)
    except SpecError as raised:
        refusal = str(raised)
    else:
        refusal = ''
    assert refusal.isprintable()
    if refusal:
        return
    problems = validate(request)
    severities = [problem.is_error for problem in problems]

    assert severities == sorted(severities, reverse=True)
    for problem in problems:
        for text in (problem.where, problem.message, str(problem.fix)):
            assert text.isprintable()
            assert len(text) < 2000


@quickly
@given(strategies.plausible_flavors(), strategies.plausible_images())
def test_a_request_is_refused_or_translated(flavor, image):
    request = parse(flavor, image)
    problems = validate(request)
    if any(problem.is_error for problem in problems):
        with pytest.raises(InvalidRequest) as raised:
            translate(request)
        assert raised.value.problems == problems
        return
    query = translate(request)
    amounts = [
        group.resources.get('MEM_ENCRYPTION_CONTEXT') for group in query.groups
    ]

    assert query.querystring().isprintable()
    if request.encrypted:
        assert amounts == [None] * (len(amounts) - 1) + [1]
        assert query.models
    else:
        assert not query.models


@quickly
@given(strategies.ANY_FLAVORS, strategies.ANY_IMAGES)
def test_whatever_can_be_parsed_can_be_judged_and_explained(flavor, image):
    try:
        request = parse(flavor, image)
    except SpecError:
        return
    hosts = [
        Host(name='a', pools={'amd-sev': SlotPool(1)}),
        Host(name='b', machine_types={'x86_64': 'pc'}),
    ]
    explanation = explain(filter_hosts(request, hosts))

    for text in (explanation.operator(), explanation.tenant()):
        assert all(line.isprintable() for line in text.split('\n'))


def quoted(pairs):
    """Write a mapping as ``openstack … show`` does in its tables."""
    return ', '.join(f"{key}='{value}'" for key, value in pairs.items())


FLAVOR_SHAPES = (
    lambda facts: facts,
    lambda facts: (
        {**facts, 'properties': facts['extra_specs']} | {'extra_specs': None}
    ),
    lambda facts: (
        {**facts, 'properties': quoted(facts['extra_specs'])}
        | {'extra_specs': None}
    ),
    lambda facts: {
        'nova_object.data': {
            'name': facts['name'],
            'vcpus': facts['vcpus'],
            'memory_mb': facts['ram'],
            'root_gb': facts['disk'],
            'ephemeral_gb': facts['OS-FLV-EXT-DATA:ephemeral'],
            'swap': facts['swap'],
            'extra_specs': facts['extra_specs'],
        }
    },
    lambda facts: {k: None if v == '' else v for k, v in facts.items()},
)
IMAGE_SHAPES = (
    lambda name, properties: {'name': name, **properties},
    lambda name, properties: {'name': name, 'properties': properties},
    lambda name, properties: {'name': name, 'properties': quoted(properties)},
    lambda name, properties: {'image_name': name, **properties},
    lambda name, properties: {
        'nova_object.data': {
            'name': name,
            'properties': {'nova_object.data': properties},
        }
    },
)


@quickly
@given(
    strategies.plausible_flavors(),
    strategies.plausible_images(),
    st.sampled_from(FLAVOR_SHAPES),
    st.sampled_from(IMAGE_SHAPES),
)
def test_the_same_facts_in_any_shape_give_an_equal_request(
    flavor, image, flavor_shape, image_shape
):
    name = image.pop('name')

    assert parse(flavor_shape(flavor), image_shape(name, image)) == parse(
        flavor, {'name': name, **image}
    )
