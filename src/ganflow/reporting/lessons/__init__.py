"""What the runs of an experiment teach, first on the page: a picture and one sentence from the measured values each.

A lesson is shown where the experiment has the runs that it compares. Whether they show it is measured, by a rule that
its module states, and the page says so when they do not.
"""

from collections.abc import Mapping, Sequence

from ganflow.reporting.lessons import (
    clipping,
    collapse,
    distances,
    encoders,
    estimates,
    likelihoods,
    paired,
    reconstructions,
    unpaired,
)
from ganflow.reporting.lessons.interfaces import Lesson
from ganflow.reporting.runs import RunRecord
from ganflow.reporting.study_figures import Findings


def lessons_of(runs: Sequence[RunRecord], studies: Mapping[str, Findings]) -> list[Lesson]:
    """The lessons that these runs and findings allow, in the order of the lectures."""
    found = [
        collapse.lesson(runs),
        estimates.lesson(runs),
        clipping.lesson(runs),
        distances.lesson(studies),
        encoders.lesson(runs),
        reconstructions.lesson(runs),
        likelihoods.lesson(runs),
        paired.lesson(runs),
        unpaired.lesson(runs),
    ]
    return [lesson for lesson in found if lesson]
