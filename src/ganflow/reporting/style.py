"""The page's style sheet: light and dark, from a phone to a wide screen; a module, so that the plan sees an edit."""

# ruff: noqa: E501
STYLE = """
:root { color-scheme: light dark;
  --ink: #1b1f24; --soft: #57606a; --page: #ffffff; --card: #f6f8fa; --line: #d8dee4; --accent: #0a5bb5; --best: #e3f4ea; --good: #14693b; --bad: #a3320b; --bar: #b6c2cf;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #aa4499; --c4: #b8860b; --c5: #3a9fd6; --c6: #444444; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e6e9ed; --soft: #a3acb6; --page: #121519; --card: #1b2026; --line: #323a43; --accent: #6cb2ff; --best: #15332a; --good: #6fd6a0; --bad: #ff9d75; --bar: #4a5663;
  --c0: #56b0f0; --c1: #ff8a45; --c2: #2cc795; --c3: #dd8ad6; --c4: #dfb03c; --c5: #9bd4ff; --c6: #c4c4c4; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 80rem; padding: 2rem 1.25rem 5rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 2rem; line-height: 1.2; letter-spacing: -.02em; margin: 0; }
h2 { font-size: 1.4rem; letter-spacing: -.01em; margin: 2.2rem 0 .3rem; padding-top: 1.2rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.1rem; margin: 2rem 0 .3rem; } h4 { font-size: 1rem; margin: 0; }
p { margin: .4rem 0; max-width: 52rem; } a { color: var(--accent); }
nav { display: flex; flex-wrap: wrap; gap: 0 1.2rem; margin: .3rem 0 1rem; } nav a { padding: .3rem 0; }
.lead { font-size: 1.1rem; margin: .5rem 0 .2rem; max-width: 64rem; } .note, figcaption { color: var(--soft); font-size: .9rem; } code { font-size: .85em; overflow-wrap: anywhere; }
button, select { font: inherit; color: inherit; background: var(--page); border: 1px solid var(--line); border-radius: 6px; cursor: pointer; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }

.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 10px; }
table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: .5rem .9rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
tbody tr:last-child > * { border-bottom: 0; } th small, td small { display: block; color: var(--soft); font-weight: 400; font-size: .8rem; }
.claim thead th, .published thead th { background: var(--card); vertical-align: bottom; line-height: 1.3; } .claim tbody th { overflow-wrap: anywhere; min-width: 13rem; max-width: 15rem; background: var(--page); border-right: 1px solid var(--line); }
.claim tr > th:first-child { position: sticky; left: 0; z-index: 1; border-right: 1px solid var(--line); } .claim td, .claim thead th { min-width: 9.5rem; } .claim th, .claim td { padding: .5rem .75rem; } .score { display: flex; align-items: baseline; } .claim td.best { background: var(--best); }
.claim .number { color: inherit; font-size: 1.05rem; font-weight: 600; text-decoration: none; white-space: nowrap; } .claim small { line-height: 1.35; }
.claim .number:hover { text-decoration: underline; } .mark { color: var(--good); font-size: .8rem; font-weight: 700; margin-left: .4rem; } .claim .failed, .flags b { color: var(--bad); }
.bar { position: relative; display: block; height: 6px; margin: .35rem 0 .2rem; background: color-mix(in srgb, var(--line) 45%, transparent); border-radius: 3px; }
.bar i { position: absolute; inset: 0 auto 0 0; background: var(--bar); border-radius: 3px; } .best .bar i { background: var(--good); }
.bar b { position: absolute; top: -3px; bottom: -3px; width: 2px; background: var(--ink); }
.digests { display: flex; flex-wrap: wrap; gap: 0 .6rem; } .digests code { white-space: nowrap; } .digests a { color: var(--soft); font-size: .9rem; font-weight: 400; }
.claim .scale > * { color: var(--soft); font-weight: 400; padding-top: .3rem; padding-bottom: .3rem; } .claim .scale .number { font-weight: 400; font-size: 1rem; } .claim .real > * { border-top: 2px solid var(--line); } .claim .real .number { font-weight: 600; }
.flags { margin: .8rem 0; padding: .6rem .9rem; border: 1px solid var(--bad); border-left-width: 5px; border-radius: 8px; font-size: .9rem; } .flags ul { margin: .3rem 0 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
.published { font-size: .9rem; } .published td { white-space: nowrap; } .published div + div { margin-top: .3rem; } .published th { font-weight: 600; min-width: 11rem; } .published td:last-child { white-space: normal; min-width: 18rem; color: var(--soft); }
.neighbours { display: grid; gap: .9rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 32rem), 1fr)); margin: .8rem 0; } .neighbours figure { margin: 0; } .neighbours b { color: var(--ink); } .neighbours img { image-rendering: pixelated; }

.films { display: grid; gap: .9rem; grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); margin: .8rem 0; }
.films figure, .charts section { margin: 0; min-width: 0; }
.frames { display: block; width: 100%; padding: 0; border: 0; border-radius: 8px; overflow: hidden; background: var(--card); line-height: 0; cursor: zoom-in; }
.frames img { width: 100%; height: auto; } .frames img[hidden] { display: none; }
.films figcaption { margin-top: .3rem; font-variant-numeric: tabular-nums; line-height: 1.35; } .films figcaption b { display: block; color: var(--ink); }
.films .large { grid-column: 1 / -1; } .large .frames { cursor: zoom-out; width: min(100%, 76vh); scroll-margin: 4rem; } .large { display: flex; flex-direction: column; align-items: center; }
.viewer { display: flex; flex-direction: column; } .controls { position: sticky; top: .4rem; z-index: 1; margin-top: .4rem; display: flex; flex-wrap: wrap; align-items: center; gap: .3rem .9rem; padding: .3rem .7rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; } .controls[hidden] { display: none; }
.controls button { min-width: 4.6rem; min-height: 2.5rem; } .controls select { min-height: 2.5rem; padding: 0 .4rem; }
.controls input { flex: 1 1 12rem; height: 2.5rem; margin: 0; accent-color: var(--accent); cursor: pointer; } .controls output { min-width: 9.5rem; font-variant-numeric: tabular-nums; }

.charts { display: grid; gap: 1.6rem 1.4rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); margin: .8rem 0; }
.charts header { display: flex; justify-content: space-between; align-items: baseline; gap: .6rem; min-height: 2rem; }
.charts h4 { flex: 1; } .at { font-variant-numeric: tabular-nums; color: var(--soft); font-size: .9rem; white-space: nowrap; }
.charts header button { padding: .1rem .7rem; font-size: .85rem; } .charts header button[hidden] { display: none; }
.charts .label { color: var(--soft); font-size: .8rem; line-height: 1.35; white-space: pre-line; margin: 0; min-height: 2.7em; }
.charts section > svg { display: block; width: 100%; height: 230px; touch-action: pan-y; cursor: crosshair; user-select: none; -webkit-user-select: none; border-radius: 4px; }
.charts svg:focus:not(:focus-visible) { outline: none; }
.charts text { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.grid { stroke: var(--line); stroke-width: 1; } .level, .cursor { stroke: var(--soft); stroke-width: 1; } .cursor { stroke-dasharray: 3 3; }
.line { fill: none; stroke: var(--c); stroke-width: 1.8; stroke-linejoin: round; } .dotted { stroke-dasharray: 1.5 3.5; stroke-linecap: round; stroke-width: 2.2; }
.band { fill: var(--c); opacity: .16; stroke: none; } .dot { fill: var(--c); } .chosen { fill: var(--accent); opacity: .16; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem .5rem; align-items: center; font-size: .85rem; min-height: 2.4rem; }
.legend button { display: flex; align-items: center; gap: .4rem; padding: .25rem .6rem; border-radius: 99px; } .legend button[aria-pressed=false] { opacity: .45; text-decoration: line-through; }
.legend i { width: 18px; border-top: 3px solid var(--c); } .legend .dots i { border-top-style: dotted; } .legend b { font-weight: 600; font-variant-numeric: tabular-nums; }
.still { width: 100%; height: auto; background: #fff; border-radius: 8px; }

details { border-bottom: 1px solid var(--line); } summary { cursor: pointer; padding: .5rem 0; } details .scroll { margin-bottom: .8rem; }
.facts td:first-child { color: var(--soft); width: 19rem; } .facts td { padding: .3rem .9rem; font-size: .9rem; overflow-wrap: anywhere; }

@media (max-width: 60rem) { .films { grid-template-columns: repeat(3, minmax(0, 1fr)); } }
@media (max-width: 40rem) {
  body { padding: 1.2rem 1rem 4rem; } h1 { font-size: 1.6rem; } .films { gap: .7rem; grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .claim tbody th { font-size: .95rem; min-width: 8.5rem; max-width: 9rem; } .claim td, .claim thead th { min-width: 8.5rem; } .claim th, .claim td { padding: .45rem .6rem; } .claim thead th:first-child { min-width: 0; } .published th { min-width: 8rem; }
  .controls { order: 1; top: auto; bottom: .4rem; } .controls output { order: 3; flex: 1 1 100%; text-align: center; }
  .facts td { display: block; border: 0; padding: .1rem .7rem; width: auto !important; } .facts tr { display: block; padding: .35rem 0; border-bottom: 1px solid var(--line); } }
@media print { .controls, nav { display: none; } }
"""
