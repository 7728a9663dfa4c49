"""What the views of the wire share as HTML: one style sheet, and a text for readers who get no styles.

A notebook that is not trusted loses ``<style>`` and ``<svg>``.  So each view carries its text in a ``<pre>`` that is
visible, and the picture in a wrapper that is not; the sheet exchanges the two, and a reader without it sees the text.
"""

from __future__ import annotations

from html import escape

from nbdicom.table import STYLE

__all__ = ["page", "with_fallback"]

_SHEET = (
    "<style>.nbd{--nbd-bg:var(--jp-layout-color1,var(--vscode-editor-background,var(--pst-color-background,Canvas)));"
    "--nbd-dim:var(--jp-content-font-color2,var(--vscode-descriptionForeground,#777));"
    "--nbd-accent:var(--jp-brand-color1,var(--vscode-textLink-foreground,#0969da));"
    "--nbd-lit:color-mix(in srgb,var(--nbd-accent) 32%,transparent)}"
    ".nbd{line-height:1.4}.nbd pre.nbd-text{display:none}.nbd .nbd-view{display:block!important;overflow-x:auto}"
    ".nbd svg{max-width:100%;height:auto;font:12px var(--jp-ui-font-family,system-ui,sans-serif)}"
    ".nbd svg text{fill:currentColor}.nbd svg .dim{fill:var(--nbd-dim)}"
    ".nbd svg .code{font-family:var(--jp-code-font-family,monospace)}"
    ".nbd svg .life{stroke:var(--nbd-dim);stroke-dasharray:2 3}"
    ".nbd svg .wire{stroke:var(--nbd-accent);fill:var(--nbd-accent)}"
    ".nbd svg .bad{stroke:var(--nbd-bad);fill:var(--nbd-bad)}.nbd svg text.bad,.nbd svg text.wire{stroke:none}"
    ".nbd svg g:hover>line{stroke-width:3}.nbd svg .small{font-size:9.5px}"
    ".nbd svg .state rect{fill:var(--nbd-bg);stroke:var(--nbd-dim)}.nbd svg .state text{fill:var(--nbd-dim)}"
    ".nbd svg .been rect,.nbd svg .now rect{stroke:var(--nbd-accent);stroke-width:1.5}"
    ".nbd svg .been text,.nbd svg .now text{fill:currentColor}"
    ".nbd svg .now rect{fill:color-mix(in srgb,var(--nbd-accent) 18%,var(--nbd-bg));stroke-width:3}"
    ".nbd svg .way polyline{fill:none;stroke:var(--nbd-line);stroke-width:1.2}.nbd svg .way polygon{fill:var(--nbd-line)}"
    ".nbd svg .taken polyline{stroke:var(--nbd-accent);stroke-width:2.2}.nbd svg .taken polygon{fill:var(--nbd-accent)}"
    ".nbd svg .paper{fill:var(--nbd-bg);fill-opacity:.8}.nbd svg .way:hover polyline{stroke-width:4}"
    ".nbd .nbd-bytes{display:flex;flex-wrap:wrap;gap:.4em 1em;align-items:flex-start;margin:.2em 0 .8em}"
    ".nbd .nbd-bytes>*{max-height:27em;overflow:auto}.nbd .nbd-bytes>div{flex:1 1 31em;min-width:0}"
    ".nbd .nbd-bytes table{margin:0}.nbd .nbd-bytes pre{flex:none}"
    ".nbd .nbd-hex{font-family:var(--jp-code-font-family,monospace);font-size:11px!important;line-height:1.6;margin:.4em 0;"
    "background:none;color:inherit;padding:0;white-space:pre}"
    ".nbd .nbd-hex .e{border-bottom:1.5px solid var(--nbd-accent)}.nbd .nbd-hex .o{border-bottom:1.5px solid var(--nbd-dim)}"
    ".nbd .nbd-hex .at{color:var(--nbd-dim)}.nbd .nbd-fields td{padding:.1em .4em;max-width:30em;font-size:12px}"
    ".nbd .nbd-fields tr:hover,.nbd .nbd-fields tr:focus{background:var(--nbd-lit);outline:none}"
    ".nbd .nbd-fields td:nth-child(2){overflow-wrap:anywhere;min-width:9em}"
    ".nbd .nbd-fields .of{color:var(--nbd-dim);white-space:nowrap;font-size:11px}.nbd .nbd-title{font-weight:600}"
    ".nbd .nbd-grid td,.nbd .nbd-grid th{padding:.1em .35em;text-align:center!important;font-size:11px;white-space:nowrap}"
    ".nbd .nbd-grid td.none{color:var(--nbd-line)}.nbd .nbd-grid td.been{background:var(--nbd-lit);font-weight:700}"
    ".nbd .nbd-grid th.now{outline:2px solid var(--nbd-accent);outline-offset:-2px}</style>"
)


def page(body: str, *, rules: str = "") -> str:
    """One view: *body* with the style sheet, and *rules* of its own."""
    own = f"<style>{rules}</style>" if rules else ""
    return f"<div class='nbd'>{STYLE}{_SHEET}{own}{body}</div>"


def with_fallback(text: str, view: str) -> str:
    """A picture with the text that says the same."""
    return page(f"<pre class='nbd-text'>{escape(text)}</pre><div class='nbd-view' style='display:none'>{view}</div>")
