"""The page with the slots: what is on it, and what no name can do to it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import sys

import html5lib
import pytest

from sev_scheduling import Host, InputError, SlotPool
from sev_scheduling.cli import page
from sev_scheduling.hosts.capacity import Capacity, HostCapacity
from sev_scheduling.hosts.hostfilter import judge
from tests.unit.factories import encrypted

NOW = datetime.datetime(2026, 11, 26, 9, 30, tzinfo=datetime.UTC)
DISABLED = frozenset({'COMPUTE_STATUS_DISABLED'})
POOLS = [
    (Host(name='roomy'), 'amd-sev', SlotPool(15, 1, 3)),
    (Host(name='full'), 'amd-sev', SlotPool(15, 1, 14)),
    (Host(name='old'), 'amd-sev', SlotPool(2**31 - 1, 0, 3)),
    (Host(name='off', traits=DISABLED), 'amd-sev', SlotPool(15, 0, 5)),
    (Host(name='over'), 'amd-sev', SlotPool(4, 0, 6)),
    (Host(name='snp'), 'amd-sev-snp', SlotPool(9, 9, 0)),
]
HOSTILE = (
    '<script>alert(1)</script>',
    '--help',
    '$(id)',
    'new\nline',
    'right\u202eto left',
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    '{{ 7 * 7 }}',
    '&amp;<!--',
    ']]>',
)


def tree(html):
    """Return the tree of valid HTML."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(html)


def rendered(pools=POOLS, trends=None, **kwargs):
    html = page.render(
        page.sections_of(pools, trends or {}, NOW), now=NOW, **kwargs
    )
    return tree(html), html


def text(element):
    return ' '.join(''.join(element.itertext()).split())


def rows(section):
    return [
        [text(cell) for cell in row] for row in section.findall('.//tbody/tr')
    ]


def room(*guests, names=('epyc',), flavor='m1', image='i'):
    request = dataclasses.replace(
        encrypted(), flavor_name=flavor, image_name=image
    )
    hosts = [
        HostCapacity(
            verdict=judge(request, Host(name=name, pools={
                'amd-sev': SlotPool(9, 0, 0)})),
            guests=n,
            limits={'MEM_ENCRYPTION_CONTEXT': n, 'VCPU': 99},
            binding=('MEM_ENCRYPTION_CONTEXT',) if n else (),
        )
        for n, name in zip(guests, names, strict=True)
    ]  # fmt: skip
    return Capacity(
        request=request,
        guests=sum(guests),
        exact=True,
        limits={},
        binding=(),
        hosts=tuple(hosts),
    )


def test_full_hosts_come_first_and_what_is_not_known_last():
    document, _ = rendered()

    (sev,) = document.findall(".//section[@id='model-1']")
    assert [(row[0], *row[2:]) for row in rows(sev)] == [
        ('full', '14', '1', '15', '0', 'full'),
        ('over', '6', '0', '4', '0', 'full'),
        ('off', '5', '0', '15', '10', 'disabled'),
        ('roomy', '3', '1', '15', '11', ''),
        ('old', '3', '0', '-', '-', ''),
    ]


def test_a_model_has_its_sums_without_disabled_and_unlimited_hosts():
    sections = page.sections_of(POOLS, {}, NOW)

    assert [
        (s.name, s.used, s.usable, s.free, s.idle, s.full, s.disabled)
        for s in sections
    ] == [('amd-sev', 28, 47, 11, 10, 2, 1), ('amd-sev-snp', 0, 0, 0, 0, 1, 0)]
    assert (sections[1].percent, sections[1].rows[0].percent) == (0.0, 0.0)


def test_a_page_has_nothing_from_elsewhere():
    document, _ = rendered(guests=room(3))

    tags = {element.tag for element in document.iter()}
    assert not tags & {'script', 'link', 'img', 'iframe', 'object', 'base'}
    for element in document.iter():
        for key, value in element.attrib.items():
            assert not key.startswith('on')
            assert key != 'src'
            if key == 'href':
                assert value.startswith('#model-')
    styles = ''.join(text(e) for e in document.iter('style'))
    assert 'url(' not in styles
    assert '@import' not in styles


@pytest.mark.parametrize('name', HOSTILE)
def test_no_markup_of_a_name_survives(name):
    plain, _ = rendered(
        [(Host(name='x'), 'amd-sev', SlotPool(9, 0, 1))],
        guests=room(3, names=['x'], flavor='x', image='x'),
    )
    document, html = rendered(
        [(Host(name=name), 'amd-sev', SlotPool(9, 0, 1))],
        guests=room(3, names=[name], flavor=name, image=name),
    )

    # The same elements with the same attributes, and the name as text.
    assert [(e.tag, e.attrib) for e in document.iter()] == [
        (e.tag, e.attrib) for e in plain.iter()
    ]
    shown = name.replace('\n', r'\n').replace('\u202e', r'\u202e')
    found = [text(e) for e in document.iter('bdi')]
    assert found == [
        ' '.join(t.split())
        for t in (f'flavor {shown}', f'image {shown}', shown, shown)
    ]
    assert '\u202e' not in html


def test_what_binds_is_marked_and_a_reason_is_said_where_nothing_does():
    document, _ = rendered(guests=room(3, 0, names=['b', 'a']))

    (section,) = document.findall(".//section[@id='guests']")
    assert text(section.find('h2')) == 'Room for flavor m1 and image i'
    assert [row[:2] for row in rows(section)] == [['a', '0'], ['b', '3']]
    marked = section.findall(".//li[@class='binds']")
    assert [text(item) for item in marked] == ['slots 3']
    assert len(section.findall(".//li[@class='why']")) == 1


def test_a_cloud_without_slots_has_a_page():
    document, _ = rendered([], guests=room(names=[], image=None))

    assert document.find('.//table') is None
    assert text(document.find('.//main/p')) == 'No host offers slots.'


def test_a_trend_ends_with_the_present():
    hour = datetime.timedelta(hours=1)
    earlier = [page.Moment(NOW - n * hour, 10 - n, 40) for n in (2, 1)]
    later = page.Moment(NOW + hour, 99, 99)
    (sev, _) = page.sections_of(
        POOLS, {'amd-sev': [*earlier, later], 'intel-tdx': earlier}, NOW
    )

    assert sev.trend == (*earlier, page.Moment(NOW, 28, 47))
    assert sev.chart.top == 47
    assert sev.chart.used.split() == ['0.0,99.6', '300.0,97.0', '600.0,48.5']
    document, _ = rendered(trends={'amd-sev': earlier})
    assert len(document.findall('.//figure')) == 1


ROWS = [
    {'Host': 'a', 'Model': 'amd-sev', 'Total': 15, 'Reserved': 1, 'Used': 3},
    {'Host': 'b', 'Model': 'amd-sev', 'Total': 15, 'Reserved': None,
     'Used': 3},
    {'Host': 'c', 'Model': 'amd-sev', 'Total': None, 'Reserved': 0,
     'Used': 3},
]  # fmt: skip


def test_earlier_files_are_in_the_order_of_their_times(tmp_path):
    files = []
    for number, seconds in ((1, 2_000_000), (2, 1_000_000)):
        path = tmp_path / f'{number}.json'
        path.write_text(json.dumps(ROWS[:number] + ROWS[2:]))
        os.utime(path, (seconds, seconds))
        files.append(str(path))

    moments = page.read_trends(files)['amd-sev']
    assert [(m.time.timestamp(), m.used, m.usable) for m in moments] == [
        (1_000_000, 6, 29),
        (2_000_000, 3, 14),
    ]


@pytest.mark.parametrize(
    'document',
    [
        pytest.param(3, id='a number'),
        pytest.param([3], id='rows that are none'),
        pytest.param([{'Host': 'a'}], id='rows of something else'),
        pytest.param([{**ROWS[0], 'Used': 'many'}], id='words for numbers'),
        pytest.param([{**ROWS[0], 'Used': -1}], id='below 0'),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, document):
    path = tmp_path / 'earlier.json'
    path.write_text(json.dumps(document))

    with pytest.raises(InputError, match=r'--earlier .*earlier\.json'):
        page.read_trends([str(path)])


def test_a_page_is_written(tmp_path):
    path = tmp_path / 'slots.html'
    page.write(str(path), page.page_of(POOLS))

    assert tree(path.read_text()).find('.//h1') is not None


def test_a_page_in_no_folder_is_reported_in_one_line(tmp_path):
    with pytest.raises(InputError, match='--html'):
        page.write(str(tmp_path / 'no' / 'slots.html'), '')


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'jinja2', None)
    with pytest.raises(InputError, match=r'sev-scheduling\[html\]'):
        rendered()
