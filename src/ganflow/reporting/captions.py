"""Captions of the report's figures, shared by the page, Snakemake's report and `dvc plots`."""

CAPTIONS = {
    "surfaces": (
        "Level lines of the critic after the last iteration, in equal steps of its own scale; light is high, so "
        "generated points (orange) are drawn up, towards the real ones (dark, held out). Missed: modes without a point "
        "of high quality; near: share of points of high quality, within three deviations of a mode."
    ),
    "evolution": (
        "A generator on the line over training: held-out real points (grey), generated ones (orange), and the critic's "
        "curve: D(x) in [0, 1] where it is a discriminator, else f(x) over its own range."
    ),
    "layers": (
        "Left: the norm of the gradient of the critic's loss, without penalty, in the outputs of each of its layers, "
        "over all points shown, after the last iteration; a steep line is a gradient that vanishes or explodes over "
        "depth. Right: all weights of the critic, biases left out; clipping drives them to its limits."
    ),
    "samples": "Samples from the same latent vectors, from the first iteration (left) to the last (right).",
    "losses": (
        "What each method minimises, without any penalty, by the formula at each axis. Solid: mean over the updates "
        "since the row before; dotted: held-out samples, networks in evaluation mode. A gap between the two is "
        "overfitting. Level line: a critic at chance level."
    ),
    "estimates": (
        "What the critics estimate on held-out images, by the formula at each axis. A critic whose slope is held near "
        "1 estimates the Wasserstein distance; a clipped one K times the distance with K unknown, so its curve has an "
        "axis of its own and is compared with no other. Over the largest gradient norm that was met between real and "
        "generated images, estimates are in one unit, though a rough one. Divergences are lower bounds; "
        "Jensen-Shannon is with the half: log 2 when disjoint."
    ),
    "scores": (
        "Scores of snapshots over training, of few images, made from latent vectors that no other number is made from, "
        "by the weights that are scored at the end. Each axis says which way is better, the first what the best "
        "snapshot was chosen by. Compare these curves with one another: a score depends on how many images it is of, "
        "so their level is not that of the full scores in the table."
    ),
    "neighbours": (
        "Top row: samples of each variant, the first six as they come, then the six that are nearest to any training "
        "image. Below each sample: the three training images nearest to it by the extractor's features. Numbers: the "
        "distance to the nearest one over the median distance of a training image to its nearest other; a copy would "
        "have 0."
    ),
}
