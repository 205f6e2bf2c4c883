"""The report's page as a Jinja template: a module, so that the plan sees an edit of it as it sees any other."""

# ruff: noqa: E501
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ experiment.experiment }} · ganflow</title>
<style>
:root { --ink: #1c1c1c; --soft: #5c5c5c; --page: #ffffff; --line: #dcdcdc; --head: #f4f5f7; --best: #e6f4ec; color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --soft: #a8a8a8; --page: #16181b; --line: #363a40; --head: #202328; --best: #173526; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .2rem; } h2 { font-size: 1.3rem; margin: 2.5rem 0 .6rem; } h3 { font-size: 1.05rem; }
p.lead, figcaption, .note { color: var(--soft); } .note { font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .6rem 0; }
th, td { padding: .3rem .8rem .3rem .5rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
thead th { background: var(--head); font-weight: 600; } td.number { text-align: right; } tr.best td { background: var(--best); }
td:first-child { white-space: normal; } tr.floor td { color: var(--soft); font-style: italic; }
figure { margin: 1rem 0 1.8rem; } figure img { width: 100%; height: auto; background: #fff; border: 1px solid var(--line); border-radius: 4px; }
figcaption { font-size: .9rem; margin-top: .3rem; max-width: 60rem; }
details { border-bottom: 1px solid var(--line); padding: .3rem 0; } summary { cursor: pointer; }
code { font-size: .85em; overflow-wrap: anywhere; } details table td { white-space: normal; }
</style>
</head>
<body>
<h1>{{ experiment.experiment }}</h1>
<p class="lead">{{ sections | length }} datasets, {{ experiment.variants | length }} variants,
{{ experiment.seeds | length }} seed{{ "s" if experiment.seeds | length > 1 }} each.
Every number below carries its protocol; none of them is an FID or an Inception Score unless its name says so.</p>

{% for section in sections %}
{% set names = section.rows[0].cells.keys() | list %}
<h2 id="{{ section.dataset }}">{{ section.dataset }}</h2>
<div class="scroll"><table>
<thead><tr><th>variant</th>{% for name in names %}<th>{{ name | replace("_", " ") }}</th>{% endfor %}<th>weights</th><th>iterations</th><th>seeds</th></tr></thead>
<tbody>
{% set best = section.rows | map(attribute="cells") | map(attribute=names[0]) | map(attribute="mean") | min %}
{% for row in section.rows %}
<tr{% if row.cells[names[0]].mean == best %} class="best"{% endif %}><td>{{ row.variant }}</td>
{% for name in names %}<td class="number">{{ row.cells[name] }}</td>{% endfor %}
<td>{{ row.weights }}</td><td class="number">{{ row.iteration }}</td><td class="number">n = {{ row.cells[names[0]].seeds }}</td></tr>
{% endfor %}
<tr class="floor"><td>floor: held-out real images</td>
{% for name in names %}<td class="number">{{ "%.4g" | format(section.floor[name]) if name in section.floor }}</td>{% endfor %}
<td></td><td></td><td></td></tr>
</tbody></table></div>
<p class="note">Lower is better; the best {{ names[0] | replace("_", " ") }} is marked. The validation critic loss belongs to each
variant's own critic and is no score to compare variants by.
{% if experiment.seeds | length == 1 %}One seed: no spread is known, and small differences mean nothing.{% else %}± is
one sample deviation over seeds.{% endif %}</p>
{% for figure in section.figures %}
<figure><img alt="{{ section.dataset }}: {{ figure.name }}" src="data:image/webp;base64,{{ figure.data }}">
<figcaption>{{ figure.caption }}</figcaption></figure>
{% endfor %}
{% endfor %}

<h2 id="protocol">Protocol of the scores</h2>
<div class="scroll"><table><tbody>
{% for key, value in protocol.items() %}<tr><td>{{ key }}</td><td>{{ value }}</td></tr>
{% endfor %}
</tbody></table></div>

<h2 id="runs">Every run</h2>
<p class="note">Versions that decide bytes: {% for name, version in versions.items() %}{{ name }} {{ version }}{{ ", " if not loop.last }}{% endfor %}.</p>
{% for run, parameters in runs %}
<details><summary>{{ run.name }} <code>{{ run.manifest.fingerprint[:12] }}</code></summary>
<div class="scroll"><table><tbody>
<tr><td>fingerprint</td><td><code>{{ run.manifest.fingerprint }}</code></td></tr>
{% for path, digest in run.manifest.inputs.items() %}<tr><td>{{ path }}</td><td><code>{{ digest }}</code></td></tr>
{% endfor %}
{% for key, value in parameters.items() %}<tr><td>{{ key }}</td><td>{{ value }}</td></tr>
{% endfor %}
{% for name, entry in run.manifest.outputs.items() if name.endswith((".safetensors", ".csv")) %}<tr><td>{{ name }}</td><td><code>{{ entry.sha256 }}</code></td></tr>
{% endfor %}
</tbody></table></div></details>
{% endfor %}
</body>
</html>"""
