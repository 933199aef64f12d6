"""Directives that make the rules' tables from the code."""

from docutils import nodes, statemachine
from sphinx.util.docutils import SphinxDirective

from sev_scheduling import models, rules
from sev_scheduling.problems import Code


def _rule_rows():
    applies = (
        (rules.REQUEST_RULES, 'any'),
        (rules.PLAIN_RULES, 'unencrypted'),
        (rules.MODEL_RULES, 'encrypted'),
    )
    by_code = {
        rule.code: (rule, guests)
        for group, guests in applies
        for rule in group
    }
    for code in Code:
        if code in by_code:
            rule, guests = by_code[code]
            yield (
                f'``{code}``',
                ' or '.join(rule.severities),
                guests,
                rule.when,
            )


def _model_rows():
    for model in models.BUILTIN_MODELS:
        yield (
            f'``{model.name}``',
            f'``{model.trait}``',
            'locked' if model.locks_memory else 'pinned',
            'stateless UEFI' if model.stateless_firmware else 'UEFI',
            model.machine_type,
            model.video_model or 'any',
            ', '.join(model.excluded_by) or '-',
        )


class _Table(SphinxDirective):
    header: tuple[str, ...]
    widths: str
    rows = staticmethod(lambda: ())

    def run(self):
        lines = ['.. list-table::', '   :header-rows: 1']
        lines += [f'   :widths: {self.widths}', '']
        for row in (self.header, *type(self).rows()):
            for position, cell in enumerate(row):
                lines.append(f'   {"* -" if not position else "  -"} {cell}')
        node = nodes.container()
        self.state.nested_parse(
            statemachine.StringList(lines, source='rulestable'), 0, node
        )
        return node.children


class RulesTable(_Table):
    header = ('Code', 'Severity', 'Guests', 'When')
    widths = '24 10 10 56'
    rows = staticmethod(_rule_rows)


class ModelsTable(_Table):
    header = (
        'Model',
        'Trait',
        'Memory',
        'Firmware',
        'Machine type',
        'Video model',
        'Not beside',
    )
    widths = '12 28 10 14 10 10 16'
    rows = staticmethod(_model_rows)


def setup(app):
    app.add_directive('rules-table', RulesTable)
    app.add_directive('models-table', ModelsTable)
    return {'parallel_read_safe': True}
