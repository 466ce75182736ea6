"""The style sheet of our pages: light and dark, no fonts or pictures from elsewhere."""

__all__ = ["STYLE"]

# The colours of lines are those of Okabe and Ito ("Color Universal Design", 2008), which people
# with any kind of colour vision can tell apart; a little lighter on a dark page.
_LIGHT = {
    **{"page": "#ffffff", "ink": "#1d2126", "quiet": "#5b6470", "rule": "#dfe3e8"},
    **{"panel": "#f6f7f9", "serious": "#b3261e", "serious-panel": "#fdecea"},
    **{"note": "#7a5200", "note-panel": "#fff5df", "right": "#0072b2", "wrong": "#d55e00"},
    **{"on-shade": "#ffffff", "series-0": "#0072b2", "series-1": "#d55e00"},
    **{"series-2": "#009e73", "series-3": "#b8578f", "series-4": "#8a6d00"},
    **{"series-5": "#3f7fb0"},
}
_DARK = {
    **{"page": "#14171b", "ink": "#e6e9ed", "quiet": "#9aa4b0", "rule": "#2d333b"},
    **{"panel": "#1c2127", "serious": "#ff8a80", "serious-panel": "#3b1a18"},
    **{"note": "#f0c060", "note-panel": "#33270f", "right": "#56b4e9", "wrong": "#f0894a"},
    **{"on-shade": "#0d1013", "series-0": "#56b4e9", "series-1": "#f0894a"},
    **{"series-2": "#35c497", "series-3": "#d98fba", "series-4": "#d9bb3c"},
    **{"series-5": "#8cc0e6"},
}


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


_SHADES = "\n".join(f".shade-{i} {{ fill-opacity: {0.1 * i:.1f}; }}" for i in range(1, 11))
_SERIES = "\n".join(
    f".series-{i} {{ fill: var(--series-{i}); }} "
    f".line.series-{i} {{ fill: none; stroke: var(--series-{i}); }}"
    for i in range(6)
)

STYLE = f"""
:root {{ color-scheme: light dark; {_variables(_LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_variables(_DARK)} }} }}
@media print {{ :root {{ color-scheme: light; {_variables(_LIGHT)} }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; max-width: 72rem; padding: 1.5rem 1.25rem 4rem; background: var(--page);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }}
h2 {{ font-size: 1.15rem; margin: 2.25rem 0 .75rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--rule); }}
h3 {{ font-size: 1rem; margin: 1.25rem 0 .5rem; }}
p {{ margin: .4rem 0; max-width: 60rem; }}
.quiet {{ color: var(--quiet); }}
.finding {{ margin: .5rem 0; padding: .6rem .9rem; border-left: 4px solid var(--note);
  background: var(--note-panel); max-width: none; }}
.finding.serious {{ border-color: var(--serious); background: var(--serious-panel); }}
.finding strong {{ color: var(--note); }}
.finding.serious strong {{ color: var(--serious); }}
.figures {{ display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }}
.figure {{ background: var(--panel); padding: .75rem 1rem; min-width: 9rem; flex: 1 1 9rem; }}
.figure .name {{ color: var(--quiet); font-size: .85rem; }}
.figure .value {{ font-size: 1.5rem; line-height: 1.3; white-space: nowrap; }}
.figure .beside {{ font-size: .85rem; color: var(--quiet); }}
.figure.first .value {{ font-size: 2.1rem; font-weight: 600; }}
.charts {{ display: flex; flex-wrap: wrap; gap: 1.25rem; align-items: flex-start; }}
.wide {{ overflow-x: auto; max-width: 100%; }}
table {{ border-collapse: collapse; min-width: 22rem; font-size: .9rem; margin: .5rem 0; }}
caption {{ text-align: left; color: var(--quiet); padding: .25rem 0; }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
  border-bottom: 1px solid var(--rule); }}
thead th {{ color: var(--quiet); font-weight: 500; white-space: nowrap; }}
tbody th {{ font-weight: 500; }}
.number {{ text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }}
.text {{ min-width: 18rem; max-width: 40rem; white-space: pre-line; }}
.short {{ min-width: 7rem; max-width: 22rem; white-space: pre-line; }}
.place {{ min-width: 7rem; max-width: 16rem; font-size: .85rem; color: var(--quiet); }}
.best {{ font-weight: 700; }}
details {{ margin: .5rem 0; }}
summary {{ cursor: pointer; color: var(--quiet); }}
svg.chart {{ display: block; flex: none; font: 11px system-ui, sans-serif; fill: var(--ink); }}
svg .end {{ text-anchor: end; }}
svg .middle {{ text-anchor: middle; }}
svg .name {{ fill: var(--quiet); }}
svg .grid {{ stroke: var(--rule); }}
svg .axis {{ stroke: var(--quiet); }}
svg .empty {{ fill: var(--panel); }}
svg .right {{ fill: var(--right); }}
svg .wrong {{ fill: var(--wrong); }}
svg .on-shade {{ fill: var(--on-shade); }}
svg .mark {{ stroke: var(--serious); stroke-dasharray: 3 3; stroke-width: 1.5; }}
{_SHADES}
{_SERIES}
svg .line {{ stroke-width: 2; stroke-linejoin: round; }}
svg .line.limit {{ fill: none; stroke: var(--quiet); stroke-dasharray: 5 4; }}
svg .key.limit {{ fill: var(--quiet); }}
svg .band {{ opacity: .2; }}
"""
