"""Draw results.svg: requests per second as bars, with one panel per case, for light and dark pages."""

from html import escape

from benchmarks.cases import CASES

SHOWN = ("one", "list", "page", "create", "update", "doctors")
COLORS = {"project": "#2f81f7", "drf": "#d29922", "fastapi": "#3fb950", "limit": "#8b949e"}
COLUMNS, WIDTH, MARGIN = 2, 900, 24
LABEL, BAR, STEP, PANEL = 92, 14, 20, 124
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 13px }
.value { fill: #59636e }
@media (prefers-color-scheme: dark) { text { fill: #f0f6fc } .value { fill: #9198a1 } }
"""


def draw(servers, rates, path):
    """Write the chart of `rates`, {case: {server: requests per second}}; each panel has its own scale."""
    cases = [case for case in CASES if case.name in SHOWN]
    rows = -(-len(cases) // COLUMNS)
    height = rows * PANEL + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>Requests per second: this project and other implementations</title>",
        f"<style>{STYLE}</style>",
    ]
    for index, case in enumerate(cases):
        left = MARGIN + index % COLUMNS * (WIDTH // COLUMNS)
        parts += panel(case, servers, rates[case.name], left, MARGIN + index // COLUMNS * PANEL)
    path.write_text("\n".join([*parts, "</svg>", ""]))


def panel(case, servers, rates, left, top):
    """Yield the SVG elements of one case."""
    yield f'<text class="title" x="{left}" y="{top}">{escape(case.title)}</text>'
    longest = WIDTH // COLUMNS - LABEL - 2 * MARGIN - 40
    for index, server in enumerate(servers):
        y = top + 12 + index * STEP
        rate = rates.get(server.name)
        width = max(1, round(rate / max(rates.values()) * longest)) if rate else 0
        label = f"{rate:,.0f}/s" if rate else "not measured"
        yield f'<text x="{left}" y="{y + 11}">{escape(server.title)}</text>'
        yield f'<rect x="{left + LABEL}" y="{y}" width="{width}" height="{BAR}" rx="2" fill="{COLORS[server.name]}"/>'
        yield f'<text class="value" x="{left + LABEL + width + 6}" y="{y + 11}">{label}</text>'
