"""The drawing of the house in the contributor's pages."""

import importlib
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import sev_scheduling
from tests.house import our_house

ROOT = Path(sev_scheduling.__file__).parents[1]
SVG = '{http://www.w3.org/2000/svg}'


@pytest.fixture
def drawing(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'doc/source/_ext'))
    yield importlib.import_module('drawing')
    del sys.modules['drawing']


def test_every_part_is_drawn_apart_from_the_others(drawing):
    house = our_house()
    picture = ElementTree.fromstring(drawing.draw(house, 'sev_scheduling'))
    names = [
        text.text
        for text in picture.iter(f'{SVG}text')
        if text.get('class') == 'name'
    ]
    boxes = [
        [float(rect.get(side)) for side in ('x', 'y', 'width', 'height')]
        for rect in picture.iter(f'{SVG}rect')
        if rect.get('class') == 'room'
    ]

    assert sorted(names) == sorted(house.rooms('sev_scheduling'))
    assert len(boxes) == len(names)
    for number, (x, y, width, height) in enumerate(boxes):
        for left, top, *_ in boxes[:number] + boxes[number + 1 :]:
            assert not (x <= left < x + width and y <= top < y + height)


def test_arrows_are_those_of_the_graph_that_others_do_not_imply(drawing):
    graph = {
        'roof': {'wall', 'door', 'ground'},
        'door': {'wall'},
        'wall': {'ground'},
        'ground': set(),
    }
    svg = drawing.Drawing(graph, {'wall': ['brick', 'stone']}).svg('h')
    arrows = re.findall('data-from="(.*?)" data-to="(.*?)"', svg)

    assert sorted(arrows) == [
        ('door', 'wall'),
        ('roof', 'door'),
        ('wall', 'ground'),
    ]
    assert drawing.floors(graph) == {
        'ground': 0,
        'wall': 1,
        'door': 2,
        'roof': 3,
    }
    assert 'brick stone' in svg


def test_an_arrow_over_a_floor_passes_it_between_boxes(drawing):
    graph = {'a': {'b', 'd'}, 'b': {'c'}, 'c': set(), 'd': set()}
    svg = drawing.Drawing(graph, {}).svg('a house')
    (line,) = re.findall('data-to="d" d="(.*?)"', svg)

    assert line.count('C') == 2
