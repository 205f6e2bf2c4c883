"""Pages of reports as tests read them, and fixtures: a report of made-up results, and its page."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from plain_reports import undrawn
from synthetic_runs import experiment_of, make_runs

from ganflow.reporting.page import write_report
from ganflow.reporting.runs import RunRecord, load_runs


class Page(HTMLParser):
    """What a report's page holds, without running it: tags with their attributes, and the text inside some."""

    def __init__(self, report: Path):
        super().__init__()
        self.text = (report / "index.html").read_text()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.fallbacks = 0  # pictures in <noscript>
        self.inside: list[str] = []
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)
        self.fallbacks += tag == "img" and "noscript" in self.inside

    def handle_endtag(self, tag):
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def frames(self, dataset: str, variant: str) -> list[dict[str, str | None]]:
        start = f"{variant} on {dataset}, "
        return [a for tag, a in self.tags if tag == "img" and "data-seed" in a and a["alt"].startswith(start)]

    def plots(self) -> list[dict]:
        found = re.findall(r'<script type="application/json">(.*?)</script>', self.text, re.DOTALL)
        return [json.loads(text) for text in found]


def values_of(runs: list[RunRecord], dataset: str, variant: str, score: str, which: str = "scores") -> list[float]:
    mine = [run.score for run in runs if (run.dataset, run.variant) == (dataset, variant)]
    return [(score_["best"]["scores"] if which == "best" else score_["scores"])[score] for score_ in mine]


@pytest.fixture(scope="session")
def results(once) -> Path:
    """Made-up results of two seeds, and under `report` their report with an empty picture for each figure; not to be
    changed."""
    return once("undrawn", _make)


def _make(folder: Path) -> None:
    experiment = experiment_of((1, 2))
    make_runs(folder, experiment)
    with undrawn():
        write_report(experiment, load_runs(experiment, folder), folder / "report")


@pytest.fixture(scope="session")
def report(results: Path) -> Path:
    return results / "report"


@pytest.fixture(scope="session")
def page(report: Path) -> Page:
    return Page(report)
