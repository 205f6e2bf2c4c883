"""What a critic's estimate means: its charts, its names, the distance that it stands for, and flags where the measured
sign, slope or direction contradicts that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ganflow.methods.components import Constraint, Legend, Optimum
from ganflow.methods.gradient_norms import summary
from ganflow.methods.interfaces import Chart, to_host

ESTIMATE, OVER_NORM = "validation_estimate", "validation_estimate_over_gradient_norm"
DISTANCE, OPTIMAL_NORM = "validation_distance", "validation_optimal_gradient_norm"
NORM, COSINE = "validation_gradient_norm", "validation_transport_cosine"
FEWEST = 3  # rows in the second half of a journal that flags are about,
SHARE = 2 / 3  # and share of them that must be wrong
FACTOR = 2.0  # by which measured slopes may differ from the optimum's


@dataclass(frozen=True)
class Estimates:
    """The estimates of one variant: `lipschitz` says whether the critic's slope scales them, `compared` what they
    compare (images, points), `points` whether the journal has the cosine of transport."""

    legend: Legend
    lipschitz: bool
    constraints: Mapping[str, Constraint]
    compared: str
    variant: str
    points: bool

    @cached_property
    def optimum(self) -> Optimum | None:
        """The optimum of a Wasserstein critic under its only constraint; there is no formula for several, as each
        keeps the critic from the optimum of the others."""
        if not self.lipschitz or len(self.constraints) > 1:
            return None
        return next(iter(self.constraints.values())).optimum()

    @property
    def charts(self) -> tuple[Chart, ...]:
        """Charts of the estimate on held-out samples, with what it is at the optimum, then of slope and direction.

        Divergences that do not depend on the slope share an axis, and so do corrected distances; an estimate times an
        unknown slope has an axis of its own behind the one over the measured slope, which all variants share.
        """
        name = self.legend.estimate.removesuffix(" estimate")
        over = "Estimates over slope"
        rough = "estimate / largest gradient norm\n(rough: the true K may be larger)"
        over_norm = self._chart(OVER_NORM, f"{over}, of {self.compared}", over, rough)
        estimates: tuple[Chart, ...]
        if not self.lipschitz:
            largest = "" if self.legend.largest is None else f", at most {self.legend.largest:.3g}"
            estimates = (self._raw(name, f"(lower bound{largest})"),)
        elif self.optimum is None:
            estimates = (over_norm, self._raw(f"{self.variant}: K × {name}", f"= {self._scaled}"))
        else:
            title = f"{name}, corrected"
            label = "W, by solving\nestimate = W × optimum's slope"
            estimates = (
                self._chart(DISTANCE, f"{title}, of {self.compared}", title, label),
                self._raw(f"Raw: {self.optimum.formula}", f"= {self.optimum.formula} at optimum"),
                over_norm,
            )
        return (*estimates, *self._gradient_charts())

    @property
    def _scaled(self) -> str:
        """What an estimate without a formula is."""
        if len(self.constraints) > 1:
            return f"{Constraint.estimates}\n({', '.join(self.constraints).replace('_', ' ')})"
        return next(iter(self.constraints.values())).estimates

    def _raw(self, title: str, note: str) -> Chart:
        return self._chart(ESTIMATE, f"{title}, of {self.compared}", title, f"{self.legend.formula}\n{note}")

    def _chart(self, column: str, axis: str, title: str, label: str) -> Chart:
        return Chart(column, "estimates", axis, title, label, 0.0)

    def _gradient_charts(self) -> tuple[Chart, ...]:
        """The cosine of transport, and the measured slope beside the optimum's, or else the largest one."""
        title, column, name = f"{self.variant}: slope", f"{NORM}_max", "largest"
        if self.optimum:
            column, name = OPTIMAL_NORM, f"optimum: {self.optimum.slope_formula}"
        label = "critic's gradient norm,\nbetween real and generated"
        direction = "Direction of the gradient"
        cosine = Chart(COSINE, "gradients", direction, direction, "cosine with optimal transport", 0.0)
        return (
            *([cosine] if self.points else []),
            Chart(f"{NORM}_q50", "gradients", title, title, label, None, "median"),
            Chart(column, "gradients", title, title, label, None, name, dotted=True),
        )

    @property
    def metric_names(self) -> dict[str, str]:
        """{column: name in MLflow}: the distance, and the variant where its slope scales it."""
        name = self.legend.estimate.removesuffix(" estimate").lower()
        name += "" if self.compared == "images" else f" of {self.compared}"
        scaled = f" times {'K' if self.optimum is None else 'slope'} of {self.variant}" if self.lipschitz else ""
        names = {column: f"{column}/{name}{scaled}" for column in ("estimate", "training_estimate", ESTIMATE)}
        return names | ({DISTANCE: f"{DISTANCE}/{name}"} if self.optimum else {})

    def values(self, norms: Tensor, estimate: float) -> dict[str, float]:
        """Journal values from gradient norms, (n,), and the mean estimate over held-out samples.

        If the estimate scales with the critic's Lipschitz constant K, this includes the estimate divided by the largest
        norm: an approximation of W from K W, not a bound, as the gradient may be larger elsewhere. With a formula of
        the optimum also the distance that has this estimate, and the slope of the optimum at it.
        """
        [found] = to_host([summary(norms, NORM) | {f"{NORM}_max": norms.max()}])
        if self.lipschitz:
            found[OVER_NORM] = estimate / max(found[f"{NORM}_max"], torch.finfo(norms.dtype).tiny)
        if self.optimum:
            found[DISTANCE] = distance = self.optimum.distance_of(estimate)
            found[OPTIMAL_NORM] = self.optimum.slope_at(max(distance, 0.0))
        return found

    def flags(self, journal: Sequence[Mapping[str, float]]) -> list[str]:
        """Sentences on what in most rows of a journal's second half contradicts that the estimate is a distance times
        a slope: a negative estimate, a gradient against the direction of transport, a slope far from the optimum's."""
        rows = journal[len(journal) // 2 :]
        if not self.lipschitz or len(rows) < FEWEST:
            return []
        found = []
        if wrong := _mostly(rows, lambda row: row[ESTIMATE] < 0):
            found.append(
                f"the estimate of the distance is negative in {wrong}, {_mean(rows, ESTIMATE):.3g} on average: the "
                "critic scores generated samples above real ones, so it estimates no distance"
            )
        if self.points and (wrong := _mostly(rows, lambda row: row[COSINE] < 0)):
            found.append(
                f"the critic's gradient points away from the real points in {wrong}: its cosine with optimal transport "
                f"is {_mean(rows, COSINE):.2f} on average, and 1 at the optimum"
            )
        if self.optimum and (wrong := _mostly(rows, _contradicts)):
            median, largest, best = (_mean(rows, column) for column in (f"{NORM}_q50", f"{NORM}_max", OPTIMAL_NORM))
            found.append(
                f"the critic's median slope is more than a factor of {FACTOR:g} from the optimum's in {wrong}: "
                f"{median:.3g} on average, the largest {largest:.3g}, but {self.optimum.slope_formula} is {best:.3g}, "
                "so the critic is not at its optimum, and the corrected distance may be far from W"
            )
        return found


def _contradicts(row: Mapping[str, float]) -> bool:
    """Whether the median slope is too steep, or too flat: then the critic is behind, and its estimate below W."""
    return not 1 / FACTOR <= row[f"{NORM}_q50"] / row[OPTIMAL_NORM] <= FACTOR


def _mostly(rows: Sequence[Mapping[str, float]], wrong: Callable[[Mapping[str, float]], bool]) -> str:
    """How many of the rows are wrong, in words, if at least SHARE of them are; else nothing."""
    count = sum(map(wrong, rows))
    return f"{count} of the last {len(rows)} rows of the journal" if count >= SHARE * len(rows) else ""


def _mean(rows: Sequence[Mapping[str, float]], column: str) -> float:
    return sum(row[column] for row in rows) / len(rows)
