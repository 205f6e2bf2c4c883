"""What the page says of one dataset's scores, as Jinja templates: variants, the scale and failed checks; and beside
them the literature."""

# ruff: noqa: E501
SCORES = """{% set table = section.table %}
<div class="scroll" tabindex="0" role="region" aria-label="Scores on {{ section.dataset }}"><table class="claim">
<thead><tr><th scope="col">variant</th>
{% for score in table.scores %}<th scope="col">{{ score.title }}<small>{{ score.by }}</small>{% if table.flagged(score) %}<small class="failed">a check failed</small>{% endif %}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}
<tr><th scope="row">{{ row.variant }}<small>{{ row.runs[0].method }}</small><small>{{ "{:,}".format(row.iteration) }} iterations, {{ row.weights }} weights, n = {{ row.runs | length }}</small>
<span class="digests">{% for run in row.runs %}<a href="#run-{{ run.dataset }}-{{ run.variant }}-{{ run.seed }}" title="seed {{ run.seed }}, sha256 of score.json: {{ run.score_digest }}"><code>{{ run.score_digest[:8] }}</code></a>{% endfor %}</span></th>
{% for score in table.scores %}
{% set cell = row.cells[score.name] %}{% set best = table.leads(score, row) %}
<td{% if best %} class="best"{% endif %} data-score="{{ score.name }}">
<span class="score"><a class="number" href="#protocol" title="To its protocol">{{ cell }}</a>{% if best %}<b class="mark">best</b>{% endif %}</span>
<span class="bar"><i style="width: {{ "%.1f" | format(table.share(score, cell.mean)) }}%"></i>
{% if table.real(score) is not none %}<b style="left: {{ "%.1f" | format(table.share(score, table.real(score))) }}%"></b>{% endif %}</span>
{% if row.best and row.best_iterations != [row.iteration] %}<small>best at {{ row.best_at }}: {{ row.best[score.name] }}</small>{% endif %}</td>
{% endfor %}
</tr>
{% endfor %}
{% for name, check in table.checks.items() %}
<tr class="scale{{ " real" if loop.first }}"><th scope="row">{{ "held-out real " + section.things if loop.first else spoken(name) }}<small>{{ "{:,}".format(check.samples) }}, {{ table.split }} split</small></th>
{% for score in table.scores %}<td data-score="{{ score.name }}">{% if score.name in check.scores %}<a class="number" href="#protocol" title="To its protocol">{{ rounded(check.scores[score.name]) }}</a>{% endif %}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
{% if table.flags %}
<div class="flags" role="note"><b>Self-checks that failed: read these scores with care</b><ul>{% for flag in table.flags %}<li>{{ flag }}</li>{% endfor %}</ul></div>
{% endif %}
<p class="note"><b>Best</b> is the best mean over seeds of the last weights; "best at" is the snapshot with the best score over training, scored in full.
A bar is the score, the tick on it what real {{ section.things }} that were not trained on get, scored the same way. The last rows are the scale: the same held-out {{ section.things }}, degraded in known ways.
The code below a variant starts the sha256 of its score.json and leads to its run. No number is an FID, a KID or an Inception Score unless its name is that alone.</p>
{% if section.drawn %}
<p class="note">These {{ section.things }} were drawn for this project, so nobody has published numbers for them.</p>
{% endif %}
{% for name, known in table.literature.items() %}
<p class="note">{{ spoken(name) }} of the real training images: {{ rounded(known.found) }} here, {{ known.expected }} in the literature ({{ known.source }}): {{ "they agree" if known.agrees else "they do not agree" }}.</p>
{% endfor %}"""

LITERATURE = """{% if section.published %}
<h3>Published numbers</h3>
{% if section.published | selectattr("possible") | list %}
<p class="note">Ours stand beside a number of the same name where objective, constraint and use of classes are the same; "best at" as above. Not stated: the source does not say.</p>
{% else %}
<p class="note">None of ours stands here: they are not by the official Inception weights, or not of these names, and scores of different names can't be compared.</p>
{% endif %}
<div class="scroll" tabindex="0" role="region" aria-label="Published numbers for {{ section.dataset }}"><table class="published">
<thead><tr><th scope="col">method</th><th scope="col">published</th><th scope="col">ours</th><th scope="col">differs from ours in</th></tr></thead>
<tbody>
{% for one in section.published %}
<tr><th scope="row">{{ one.published.method }}<small>{{ one.published.source }}</small></th><td>{{ spoken(one.published.score) }} {{ one.published }}</td>
<td>{% for row in one.ours %}<div>{{ row.variant }} {{ row.cells[one.published.score] }}{% if row.best and row.best_iterations != [row.iteration] %}<small>best at {{ row.best_at }}: {{ row.best[one.published.score] }}</small>{% endif %}</div>{% else %}–{% endfor %}</td>
<td>{% for words in one.differences %}{{ words }}{{ "; " if not loop.last }}{% endfor %}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}"""
