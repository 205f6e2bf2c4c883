"""The report's page as a Jinja template: a module, so that the plan sees an edit of it as it sees any other."""

# ruff: noqa: E501
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ experiment.experiment }} · ganflow</title>
<style>{{ style | safe }}
{% for place in range(colours) %}.c{{ place }} { --c: var(--c{{ place }}); } {% endfor %}
.films { --columns: {{ columns_of(variants | length) }}; }
</style>
</head>
<body>
<header>
<h1>{{ experiment.experiment }}</h1>
{% for words, best in claims.items() %}
<p class="lead">{{ words }}: {% for row, cell in best %}
<b>{{ row.variant }}</b> on {{ row.dataset }} ({{ cell }}){{ ", " if not loop.last }}{% endfor %}.</p>
{% endfor %}
<p class="note">{{ experiment.datasets | length }} dataset{{ "s" if experiment.datasets | length > 1 }} × {{ variants | length }} variant{{ "s" if variants | length > 1 }} × {{ experiment.seeds | length }}
seed{{ "s" if experiment.seeds | length > 1 }} = {{ runs | length }} runs.
{% if experiment.seeds | length == 1 %}One seed: no spread is known, and small differences mean nothing.{% else %}± is one sample deviation over
{{ experiment.seeds | length }} seeds; differences within it mean nothing.{% endif %}</p>
<nav>{% for section in sections %}<a href="#{{ section.dataset }}">{{ section.dataset }}</a>{% endfor %}
{% if studies %}<a href="#studies">Studies</a>{% endif %}
<a href="#protocol">Protocol</a><a href="#runs">Every run</a></nav>
</header>

<main>
{% for section in sections %}
{% set first_section = loop.first %}
<h2 id="{{ section.dataset }}">{{ section.dataset }}</h2>
{% include "scores" %}

<h3>Samples</h3>
{% if section.points %}
<p class="note">{{ "{:,}".format(section.side * section.side) }} generated points of each variant (orange) on held-out real ones (grey), from the same latent vectors at every iteration.
Click or tap one to enlarge it.</p>
{% else %}
<p class="note">The first {{ section.side }} × {{ section.side }} samples of each variant, from the same latent vectors at every iteration.
Click or tap one to enlarge it. Compressed for this page; the full grids lie in each run's folder.</p>
{% endif %}
<section class="viewer" aria-label="Samples of {{ section.dataset }}">
<form class="controls" hidden><button type="button" class="play">Play</button>
<input type="range" min="0" max="100" step="5" value="100" aria-label="Share of training, in percent"><output>100 % of training</output>
{% if experiment.seeds | length > 1 %}<label>seed <select>{% for seed in experiment.seeds %}<option>{{ seed }}</option>{% endfor %}</select></label>{% endif %}
</form>
<div class="films">
{% for variant, films in section.films.items() %}
<figure><button type="button" class="frames" aria-expanded="false" aria-label="Enlarge the samples of {{ variant }}">
{% for run, frames in films %}{% set first = loop.first %}{% for frame in frames %}
<img{% if not (first and loop.last) %} hidden{% endif %} data-seed="{{ run.seed }}" data-iteration="{{ frame.iteration }}" alt="{{ variant }} on {{ section.dataset }}, seed {{ run.seed }}: samples at iteration {{ "{:,}".format(frame.iteration) }}" src="data:image/webp;base64,{{ frame.data }}">
{% endfor %}{% endfor %}
</button><figcaption><b>{{ variant }}</b> <span class="at">iteration {{ "{:,}".format(films[0][1][-1].iteration) }} of {{ "{:,}".format(films[0][1][-1].iteration) }}</span></figcaption></figure>
{% endfor %}
</div>
</section>
{% for chart in section.charts %}
<h3>{{ chart.title }}</h3>
<p class="note">{{ chart.caption }}{% if experiment.seeds | length > 1 %} Lines are means over seeds, bands one sample deviation.{% endif %}</p>
{% if first_section and loop.first %}<p class="note interactive" hidden>Drag across a chart to zoom, double-click or double-tap to go back. Hover, tap or use the arrow keys to read values. Click a name to hide it.</p>{% endif %}

<div class="charts">{% for plot in chart.plots %}
<section aria-label="{{ plot.title }}: {{ plot.label }}"><script type="application/json">{{ plot | tojson }}</script></section>{% endfor %}
</div>
<noscript><img class="still" alt="{{ section.dataset }}: {{ chart.figure }}. {{ chart.caption }}" src="data:image/webp;base64,{{ chart.data }}"></noscript>
{% endfor %}
{% if section.neighbours %}
<h3>Nearest training images</h3>
<p class="note">{{ neighbours_caption }}</p>
<div class="neighbours">
{% for found in section.neighbours %}
<figure><img class="still" alt="{{ found.variant }} on {{ section.dataset }}, seed {{ found.seed }}: samples, and below each its three nearest training images" src="data:image/webp;base64,{{ found.data }}">
<figcaption><b>{{ found.variant }}</b> seed {{ found.seed }}: {{ found.distances }}</figcaption></figure>
{% endfor %}
</div>
{% endif %}
{% for still in section.stills %}
<h3>{{ still.title }}</h3>
<p class="note">{{ still.caption }}</p>
<img class="still" alt="{{ section.dataset }}: {{ still.figure }}. {{ still.caption }}" src="data:image/webp;base64,{{ still.data }}">
{% endfor %}
{% include "literature" %}
{% endfor %}
{% if studies %}
<h2 id="studies">Studies of the theory</h2>
{% for study in studies %}
<h3>{{ spoken(study.name) }}</h3>
<p class="note">{{ study.caption }}</p>
<img class="still" alt="{{ spoken(study.name) }}. {{ study.caption }}" src="data:image/webp;base64,{{ study.data }}">
{% endfor %}
{% endif %}

<h2 id="protocol">Protocol of the scores</h2>
<div class="scroll"><table class="facts"><tbody>
{% for key, value in protocol.items() %}<tr><td>{{ key }}</td><td>{{ value }}</td></tr>
{% endfor %}
</tbody></table></div>

<h2 id="runs">Every run</h2>
<p class="note">Versions that decide bytes: {% for name, version in versions.items() %}{{ name }} {{ version }}{{ ", " if not loop.last }}{% endfor %}.</p>
{% for run, scored, parameters in runs %}
<details><summary>{{ run.name }} <code>{{ run.manifest.fingerprint[:12] }}</code></summary>
<div class="scroll" id="run-{{ run.dataset }}-{{ run.variant }}-{{ run.seed }}"><table class="facts"><tbody>
<tr><td>fingerprint</td><td><code>{{ run.manifest.fingerprint }}</code></td></tr>
<tr><td>score.json</td><td><code>{{ run.score_digest }}</code></td></tr>
{% for path, digest in run.manifest.inputs.items() %}<tr><td>{{ path }}</td><td><code>{{ digest }}</code></td></tr>
{% endfor %}
{% for name, entry in run.manifest.outputs.items() if name.endswith((".safetensors", ".csv")) and "/" not in name %}<tr><td>{{ name }}</td><td><code>{{ entry.sha256 }}</code></td></tr>
{% endfor %}
{% for name, value in scored.items() %}<tr><td>{{ name }}</td><td>{{ value }}</td></tr>
{% endfor %}
<tr><td>held-out loss</td><td>{{ run.score.held_out_loss }} ({{ run.manifest.held_out_loss }}, its own; compares no variants)</td></tr>
{% for key, value in parameters.items() %}<tr><td>{{ key }}</td><td>{{ value }}</td></tr>
{% endfor %}
</tbody></table></div></details>
{% endfor %}
</main>
<script>{{ script | safe }}</script>
</body>
</html>"""
