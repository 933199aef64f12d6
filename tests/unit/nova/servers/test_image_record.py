"""What nova's own rows say of a rebuild; nova's databases are real here."""

from __future__ import annotations

import datetime
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nova import exception, objects
from nova.virt import hardware

from sev_scheduling.nova.servers.image_record import (
    KEYS,
    Change,
    ImageRecord,
    cell_of,
    read_record,
    remove,
)
from sev_scheduling.request.parsing import parse
from tests.unit.nova.factories import ES, ON, ON_ES, Q35, SERVER, SEV, flavor

SWITCH, MODEL = KEYS
OLD, SINCE, NEW = (
    datetime.datetime(2026, 1, 1, 12, 0, second, 500_000)
    for second in (10, 20, 21)
)


def record_of(databases, context, server=SERVER):
    with cell_of(context, server) as cell:
        action = objects.InstanceAction.get_by_request_id(
            cell, server, context.request_id
        )
        return read_record(cell, server, action.start_time)


@pytest.mark.parametrize(
    ('before', 'new', 'changes'),
    [
        ({}, {}, {}),
        ({}, {SWITCH: 'true'}, {SWITCH: Change.ADDED}),
        ({SWITCH: 'true'}, {SWITCH: 'true'}, {SWITCH: Change.NONE}),
        ({SWITCH: 'true'}, {SWITCH: 'True'}, {SWITCH: Change.CHANGED}),
        ({SWITCH: 'true'}, {}, {}),
        (
            {SWITCH: 'true'},
            {SWITCH: 'true', MODEL: ES},
            {SWITCH: Change.NONE, MODEL: Change.ADDED},
        ),
        (
            {SWITCH: 'true', MODEL: SEV},
            {SWITCH: 'true', MODEL: ES},
            {SWITCH: Change.NONE, MODEL: Change.CHANGED},
        ),
    ],
)
def test_a_rebuild_is_told_by_the_times_of_rows(
    databases, before, new, changes
):
    databases.boot({}, {**Q35, **before})
    found = record_of(databases, databases.rebuild({**Q35, **new}))
    assert found == ImageRecord(new, changes)
    assert found.added == {k for k, v in changes.items() if v is Change.ADDED}


def test_without_the_time_of_the_request_no_change_is_known(databases):
    databases.boot({}, Q35)
    context = databases.rebuild({**Q35, SWITCH: 'true'})
    with cell_of(context, SERVER) as cell:
        found = read_record(cell, SERVER, None)
    assert found == ImageRecord({SWITCH: 'true'}, {})
    assert not found.added
    assert found.change(SWITCH) is None


@pytest.mark.parametrize(
    ('created', 'updated', 'change'),
    [
        (OLD, None, Change.NONE),
        (OLD, OLD, Change.NONE),
        (OLD, SINCE, Change.CHANGED),
        (OLD, NEW, Change.CHANGED),
        (SINCE, None, Change.ADDED),
        (NEW, NEW, Change.ADDED),
        # A database that keeps whole seconds.
        (SINCE.replace(microsecond=0), None, Change.ADDED),
        (SINCE.replace(second=19, microsecond=0), None, Change.NONE),
        (
            OLD.replace(microsecond=0),
            SINCE.replace(microsecond=0),
            Change.CHANGED,
        ),
    ],
)
@pytest.mark.parametrize('aware', [True, False])
def test_a_row_is_of_the_rebuild_from_the_moment_it_was_asked_for(
    monkeypatch, created, updated, change, aware
):
    row = {
        'key': f'image_{SWITCH}',
        'value': 'true',
        'created_at': created,
        'updated_at': updated,
    }
    monkeypatch.setattr(
        'nova.db.main.api.instance_get_by_uuid',
        lambda *_, **__: {'system_metadata': [row]},
    )
    since = SINCE.replace(tzinfo=datetime.UTC) if aware else SINCE
    assert read_record(None, SERVER, since).change(SWITCH) is change


@pytest.mark.parametrize(
    ('flavor_specs', 'values', 'changes', 'encrypted', 'model'),
    [
        # The flavor decides.
        (ON_ES, {}, {}, True, True),
        (ON, {}, {}, True, None),
        # The image does.
        ({}, {SWITCH: 'true'}, {SWITCH: Change.NONE}, True, None),
        ({}, {SWITCH: 'true'}, {SWITCH: Change.ADDED}, False, None),
        ({}, {SWITCH: 'true'}, {SWITCH: Change.CHANGED}, None, None),
        ({}, {SWITCH: 'true'}, {}, None, None),
        ({}, {SWITCH: 'no'}, {SWITCH: Change.NONE}, False, None),
        (
            {},
            {SWITCH: 'true', MODEL: ES},
            {SWITCH: Change.NONE, MODEL: Change.NONE},
            True,
            True,
        ),
        (
            {},
            {SWITCH: 'true', MODEL: ES},
            {SWITCH: Change.NONE, MODEL: Change.ADDED},
            True,
            False,
        ),
        (
            {},
            {SWITCH: 'true', MODEL: SEV},
            {SWITCH: Change.NONE, MODEL: Change.ADDED},
            True,
            True,
        ),
        (
            {},
            {SWITCH: 'true', MODEL: ES},
            {SWITCH: Change.NONE, MODEL: Change.CHANGED},
            True,
            False,
        ),
    ],
)
def test_what_the_server_was_before_is_said_where_it_is_certain(
    flavor_specs, values, changes, encrypted, model
):
    record = ImageRecord(values, changes)
    new = parse(flavor(flavor_specs), {'properties': values})
    assert record.was_encrypted(new) is encrypted
    assert record.had_model(new) is model


def test_what_is_no_boolean_is_off_as_in_nova():
    request = ImageRecord({SWITCH: 'maybe'}).request(flavor({}))
    assert not request.encrypted
    assert request.image_encryption == 'false'


@pytest.mark.parametrize(
    ('flavor_specs', 'values', 'changes', 'certain'),
    [
        ({}, {}, {}, False),
        ({}, {}, {SWITCH: Change.ADDED}, True),
        ({}, {SWITCH: 'true'}, {SWITCH: Change.NONE}, False),
        (
            {},
            {SWITCH: 'true'},
            {SWITCH: Change.NONE, MODEL: Change.ADDED},
            True,
        ),
        ({}, {SWITCH: 'false'}, {SWITCH: Change.CHANGED}, False),
        (ON, {}, {}, False),
        (ON, {}, {MODEL: Change.ADDED}, True),
        (ON_ES, {}, {}, True),
    ],
)
def test_nothing_is_lost_where_every_key_that_counts_is_certain(
    flavor_specs, values, changes, certain
):
    record = ImageRecord(values, changes)
    assert record.is_as_before(flavor(flavor_specs)) is certain


def test_a_release_that_knows_no_models_is_asked_for_none(
    databases, monkeypatch
):
    known = dict(objects.ImageMetaProps.fields)
    known.pop(MODEL, None)
    databases.boot({}, Q35)
    context = databases.rebuild({**Q35, SWITCH: 'true', MODEL: ES})
    monkeypatch.setattr(objects.ImageMetaProps, 'fields', known)
    remove(context, SERVER, set(KEYS))
    assert databases.image_of().keys() == {'base_image_ref', *Q35}


def test_a_server_that_nova_does_not_know_is_not_found(databases):
    with (
        pytest.raises(exception.InstanceMappingNotFound),
        cell_of(databases.context(), str(uuid.uuid4())),
    ):
        pass


BOOLEANS = st.sampled_from([None, 'true', 'True', 'yes', 'false', '0'])
MODELS = st.sampled_from([None, SEV, ES])
PROPERTIES = st.builds(
    lambda on, model: {
        key: value
        for key, value in ((SWITCH, on), (MODEL, model))
        if value is not None
    },
    BOOLEANS,
    MODELS,
)
FLAVORS = st.builds(
    lambda on, model: {
        key: value
        for key, value in (
            ('hw:mem_encryption', on),
            ('hw:mem_encryption_model', model),
        )
        if value is not None
    },
    st.sampled_from([None, 'true', 'false']),
    MODELS,
)


def accepted(extra_specs, properties):
    """Say whether nova takes a flavor and an image together."""
    meta = objects.ImageMeta.from_dict({'properties': {**Q35, **properties}})
    try:
        hardware.get_mem_encryption_constraint(flavor(extra_specs), meta)
    except exception.FlavorImageConflict:
        return False
    return True


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(before=PROPERTIES, new=PROPERTIES, extra_specs=FLAVORS)
def test_what_is_taken_back_is_exactly_as_before_and_fits_the_flavor(
    databases, before, new, extra_specs
):
    if not accepted(extra_specs, before) or not accepted(extra_specs, new):
        return
    server = str(uuid.uuid4())
    databases.boot(extra_specs, {**Q35, **before}, server)
    context = databases.rebuild({**Q35, **new}, server)
    record = record_of(databases, context, server)
    written = databases.image_of(server)

    remove(context, server, record.added)

    left = databases.image_of(server)
    for key in written.keys() | left.keys():
        if written.get(key) != left.get(key):
            assert key in KEYS
            assert left.get(key) == before.get(key)
    # What was not touched is what nova wrote, or was there all the time.
    assert record.without(record.added).values == {
        key: left[key] for key in KEYS if key in left
    }
    assert accepted(extra_specs, {k: left[k] for k in KEYS if k in left})
    if record.without(record.added).is_as_before(flavor(extra_specs)):
        was = ImageRecord(before).request(flavor(extra_specs))
        now = ImageRecord({k: left[k] for k in KEYS if k in left}).request(
            flavor(extra_specs)
        )
        assert was.encrypted == now.encrypted
        if now.encrypted:
            assert was.models == now.models
