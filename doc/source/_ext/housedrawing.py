"""Directive ``.. house:: PACKAGE``, which draws a package and its imports."""

from pathlib import Path

from docutils import nodes
from drawing import draw
from sphinx.util.docutils import SphinxDirective

from tests.house import House

_PACKAGE = Path(__file__).parents[3] / 'sev_scheduling'


class HouseDrawing(SphinxDirective):
    required_arguments = 1

    def run(self):
        for path in _PACKAGE.rglob('*.py'):
            self.env.note_dependency(str(path))
        picture = draw(House.read(_PACKAGE), self.arguments[0])
        return [nodes.raw('', picture, format='html')]


def setup(app):
    app.add_directive('house', HouseDrawing)
    return {'parallel_read_safe': True}
