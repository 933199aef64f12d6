"""The directives that give every code a section: cause, example, remedy."""

from codeexamples import codes, found_in
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from sev_scheduling import rules
from sev_scheduling.explain import catalogue
from sev_scheduling.hosts.check import NoteCode

_WHEN = {
    rule.code: rule
    for rule in (
        *rules.REQUEST_RULES,
        *rules.PLAIN_RULES,
        *rules.MODEL_RULES,
    )
}


class Codes(SphinxDirective):
    """``.. codes:: request``, ``host`` or ``placement``: a section a code."""

    required_arguments = 1

    def run(self):
        return [self._section(code) for code in codes(self.arguments[0])]

    def _section(self, code: str):
        section = nodes.section(names=[str(code)])
        section += nodes.title(text=str(code))
        # A target for references from other pages.
        self.state.document.note_explicit_target(section, section)
        if rule := _WHEN.get(code):
            severities = ' or '.join(rule.severities)
            section += self._line(f'{severities.capitalize()}: {rule.when}.')
        for asked, explanation in found_in(code):
            section += self._line(f'Example: {asked}')
            operator, tenant = explanation.operator(), explanation.tenant()
            section += _printed(operator)
            # The same sentences, but for their layout, are shown once.
            if explanation.headline != explanation.tenant_headline:
                section += self._line('A user reads:')
                section += _printed(tenant)
        return section

    def _line(self, text: str) -> nodes.paragraph:
        words, _ = self.state.inline_text(text, self.lineno)
        return nodes.paragraph('', '', *words)


def _printed(text: str) -> nodes.container:
    return nodes.container(
        '',
        nodes.literal_block(text, text, language='text'),
        classes=['printed'],
    )


class NoteCodes(SphinxDirective):
    """``.. note-codes::``: what ``node detect`` and ``node check`` find."""

    option_spec = {'class': directives.class_option}

    def run(self):
        listed = nodes.definition_list()
        for code in NoteCode:
            row = catalogue.NOTES[code]
            item = nodes.definition_list_item()
            term = nodes.term(ids=[f'check-{code}'])
            term += nodes.literal(text=str(code))
            item += term
            words = nodes.definition()
            for text in (row.text, row.advice):
                if text:
                    words += nodes.paragraph(text=text)
            item += words
            listed += item
        return [listed]


def setup(app):
    app.add_directive('codes', Codes)
    app.add_directive('note-codes', NoteCodes)
    return {'parallel_read_safe': True}
