"""Lesson: between disjoint supports only the earth mover's distance says how far apart they are (WGAN, arXiv
1701.07875, example 1), by the study `parallel_lines`.

It counts as shown if trained critics find the distance within a tenth of its largest value on average, and no trained
discriminator falls below nine tenths of log 2 before the lines meet.
"""

import math
from collections.abc import Mapping

from ganflow.reporting.lessons.interfaces import CARD, Lesson, Picture
from ganflow.reporting.study_figures import Findings, study_figure

STUDY = "parallel_lines"


def lesson(studies: Mapping[str, Findings]) -> Lesson | None:
    """The lesson from the study's numbers; None without the study."""
    if STUDY not in studies:
        return None
    found = studies[STUDY]
    error, divergence = (found["numbers"][key] for key in ("mean_error_of_critic", "smallest_js_estimate_off_zero"))
    return Lesson(
        "distances",
        "Between disjoint distributions only the earth mover's distance has a slope",
        error <= 0.1 and divergence >= 0.9 * math.log(2),
        "Two lines θ apart: the earth mover's distance is |θ|, and trained WGAN-GP critics find it with a mean error "
        f"of {error:.3f}. The Jensen-Shannon divergence is log 2 = 0.693 until the lines meet (trained discriminators "
        f"find {divergence:.3f} or more), so it gives a generator no direction.",
        (Picture(STUDY, found["caption"], study_figure(found, *CARD)),),
    )
