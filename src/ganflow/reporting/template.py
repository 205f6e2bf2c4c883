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
.films { --columns: {{ columns_of(rows | length) }}; }
</style>
</head>
<body>
<header>
<h1>{{ experiment.experiment }}</h1>
{% set score = columns[0].score %}
<p class="lead">Lowest {{ spoken(score) }}: {% for column in columns | selectattr("score", "eq", score) %}
<b>{{ column.best.variant }}</b> on {{ column.dataset }} ({{ column.best.cells[score] }}){{ ", " if not loop.last }}{% endfor %}.</p>
<p class="note">{{ experiment.datasets | length }} dataset{{ "s" if experiment.datasets | length > 1 }} × {{ rows | length }} variants × {{ experiment.seeds | length }}
seed{{ "s" if experiment.seeds | length > 1 }} = {{ runs | length }} runs.
{% if experiment.seeds | length == 1 %}One seed: no spread is known, and small differences mean nothing.{% else %}± is one sample deviation over
{{ experiment.seeds | length }} seeds; differences within it mean nothing.{% endif %}</p>
<nav>{% for section in sections %}<a href="#{{ section.dataset }}">{{ section.dataset }}</a>{% endfor %}
{% if studies %}<a href="#studies">Studies</a>{% endif %}
<a href="#protocol">Protocol</a><a href="#runs">Every run</a></nav>
</header>

<main>
<div class="scroll" tabindex="0" role="region" aria-label="Scores of all variants"><table class="claim">
<thead><tr><th scope="col">variant</th>
{% for column in columns %}<th scope="col">{{ column.dataset }}<small>{{ spoken(column.score) }}, lower is better</small></th>{% endfor %}</tr></thead>
<tbody>
{% for variant, seeds in rows.items() %}
{% set place = loop.index0 %}
<tr><th scope="row">{{ variant }}<small>{{ seeds[0].method }},
{{ "{:,}".format(columns[0].rows[place].iteration) }} iterations, {{ columns[0].rows[place].weights }} weights, n = {{ columns[0].rows[place].runs | length }}</small></th>
{% for column in columns %}
{% set row = column.rows[place] %}{% set cell = row.cells[column.score] %}{% set best = row.variant == column.best.variant %}
<td{% if best %} class="best"{% endif %} data-dataset="{{ column.dataset }}" data-score="{{ spoken(column.score) }}">
<span class="score"><a class="number" href="#protocol" title="To its protocol">{{ cell }}</a>{% if best %}<b class="mark">best</b>{% endif %}
<span class="digests{{ " many" if row.runs | length > 1 }}">{% for run in row.runs %}<a href="#run-{{ run.dataset }}-{{ run.variant }}-{{ run.seed }}" title="seed {{ run.seed }}, sha256 of score.json: {{ run.score_digest }}"><code>{{ run.score_digest[:8] }}</code></a>{% endfor %}</span></span>
<span class="bar"><i style="width: {{ "%.1f" | format(100 * [cell.mean, 0] | max / column.highest) if column.highest > 0 else 0 }}%"></i>
{% if column.floor is not none and column.highest > 0 %}<b style="left: {{ "%.1f" | format(100 * [[column.floor / column.highest, 0] | max, 1] | min) }}%"></b>{% endif %}</span></td>
{% endfor %}
</tr>
{% endfor %}
<tr class="floor"><th scope="row">floor<small>held-out real images, scored the same way</small></th>
{% for column in columns %}<td data-dataset="{{ column.dataset }}" data-score="{{ spoken(column.score) }}">{% if column.floor is not none %}<a class="number" href="#protocol" title="To its protocol">{{ rounded(column.floor) }}</a>{% endif %}</td>{% endfor %}</tr>
</tbody></table></div>
<p class="note"><b>Best</b> is the lowest mean on a dataset. A bar is the score, the tick on it the floor: what real images that were not trained on get.
The code beside a number starts the sha256 of its score.json and leads to its run. No number is an FID or an Inception Score unless its name says so.</p>

{% for section in sections %}
{% set first_section = loop.first %}
<h2 id="{{ section.dataset }}">{{ section.dataset }}</h2>
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
<h3>{{ {"estimates": "What the critics estimate", "losses": "What the critics minimise"}[chart.name] }}</h3>
<p class="note">{{ captions[chart.name] }}{% if experiment.seeds | length > 1 %} Lines are means over seeds, bands one sample deviation.{% endif %}</p>
{% if first_section and loop.first %}<p class="note interactive" hidden>Drag across a chart to zoom, double-click or double-tap to go back. Hover, tap or use the arrow keys to read values. Click a name to hide it.</p>{% endif %}

<div class="charts">{% for panel in chart.panels %}
<section aria-label="{{ panel.title }}: {{ panel.label }}"><script type="application/json">{{ panel | tojson }}</script></section>{% endfor %}
</div>
<noscript><img class="still" alt="{{ section.dataset }}: {{ chart.name }}. {{ captions[chart.name] }}" src="data:image/webp;base64,{{ chart.still }}"></noscript>
{% endfor %}
{% for still in section.stills %}
<h3>{{ {"surfaces": "What the critic makes of the plane", "evolution": "Generator and critic over training", "layers": "Gradients and weights of the critic"}[still.figure] }}</h3>
<p class="note">{{ still.caption }}</p>
<img class="still" alt="{{ section.dataset }}: {{ still.figure }}. {{ still.caption }}" src="data:image/webp;base64,{{ still.data }}">
{% endfor %}
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
{% for run, parameters in runs %}
<details><summary>{{ run.name }} <code>{{ run.manifest.fingerprint[:12] }}</code></summary>
<div class="scroll" id="run-{{ run.dataset }}-{{ run.variant }}-{{ run.seed }}"><table class="facts"><tbody>
<tr><td>fingerprint</td><td><code>{{ run.manifest.fingerprint }}</code></td></tr>
<tr><td>score.json</td><td><code>{{ run.score_digest }}</code></td></tr>
{% for path, digest in run.manifest.inputs.items() %}<tr><td>{{ path }}</td><td><code>{{ digest }}</code></td></tr>
{% endfor %}
{% for name, entry in run.manifest.outputs.items() if name.endswith((".safetensors", ".csv")) %}<tr><td>{{ name }}</td><td><code>{{ entry.sha256 }}</code></td></tr>
{% endfor %}
{% for name, value in run.score.scores.items() %}<tr><td>{{ name }}</td><td>{{ value }}</td></tr>
{% endfor %}
<tr><td>validation critic loss</td><td>{{ run.score.validation_critic_loss }} (its own critic's; compares no variants)</td></tr>
{% for key, value in parameters.items() %}<tr><td>{{ key }}</td><td>{{ value }}</td></tr>
{% endfor %}
</tbody></table></div></details>
{% endfor %}
</main>
<script>{{ script | safe }}</script>
</body>
</html>"""
