"""Captions of the report's figures, shared by the page, Snakemake's report and `dvc plots`."""

DEPARTURES = {  # {network: what the code of its paper does otherwise, said beside the scores}
    "noised_data": (
        "Here real points and generated ones, which are data plus noise, are paired independently; the code of the "
        "WGAN-GP authors adds the noise to the real points of the same batch, so its penalty lies between a point and "
        "its own noisy copy"
    )
}

CAPTIONS = {
    "surfaces": (
        "Level sets of the critic after the last iteration, in equal steps; lighter is higher, so generated points "
        "(orange) move towards lighter areas and the real points (dark, held out). Missed: modes without a high-"
        "quality point; HQ: share of high-quality points, within three standard deviations of a mode."
    ),
    "evolution": (
        "A one-dimensional generator over training: held-out real points (grey), generated points (orange), and the "
        "critic's output: D(x) in [0, 1] for a discriminator, else f(x), scaled to its range."
    ),
    "layers": (
        "Left: gradient norm of the critic's loss, without penalty, at the outputs of each of its layers, over all "
        "points shown, after the last iteration; a steep line is a gradient that vanishes or explodes with depth. "
        "Right: all weights of the critic, without biases; clipping drives them to its limits."
    ),
    "samples": "Samples from the same latent vectors, from the first iteration (left) to the last (right).",
    "losses": (
        "The loss that each method minimises, without penalties; the formula is at each axis. Solid: samples of the "
        "training data; dotted: as many held-out ones. Both are measured at the same moment, after the generator's "
        "step, with the same weights and latent vectors, and batch normalisation by each batch, real and generated "
        "apart, as in training. A gap that lasts is what the method knows of its training data alone: overfitting. "
        "Thin line: a critic at chance level."
    ),
    "estimates": (
        "The critics' estimates on held-out samples, measured as the losses are; the formula is at each axis. A "
        "Wasserstein critic estimates the distance W times its slope. A clipped one's slope K is unknown and changes,"
        " so K × W may rise while samples improve: read its estimate over the largest measured gradient norm first, "
        "in which all critics have roughly one unit. With a gradient penalty of weight λ the best critic has the "
        "slope 1 + W / (2 λ), so raw estimates of different λ have different units; solved for W, they share an axis."
        " A negative estimate is drawn as it is: no best critic has one, and the failed checks below the table name "
        "it. Divergences are lower bounds; Jensen-Shannon has the factor 1/2: log 2 when disjoint."
    ),
    "gradients": (
        "The norm of the critic's gradient at points between held-out and generated samples: its median and, dotted, "
        "the slope of the best critic at the estimated distance or, without a formula for it, the largest norm. For "
        "points: the cosine between the gradient and the direction of optimal transport, 1 for the best Wasserstein "
        "critic; below zero it leads away from the real points."
    ),
    "codes": (
        "Lower bounds, in nats, of the mutual information between generated samples and the codes that they were made "
        "from, by the critic's guess of the codes; thin line: all that a categorical code holds. Purity: the share of "
        "held-out samples with the commonest class of the category that the critic sees in them; categories at random "
        "have more than the share of the largest class, and more so with fewer samples."
    ),
    "scores": (
        "Scores of snapshots over training, of few images from a separate stream of latent vectors, with the weights "
        "that are scored at the end. Each axis states which direction is better; the first one, how the best snapshot "
        "was selected. Compare these curves only with one another: scores depend on the number of images, so their "
        "level differs from the full scores in the table."
    ),
    "neighbours": (
        "Top row: samples of each variant, the first six, then the six nearest to any training image. Below each "
        "sample: its three nearest training images by the extractor's features. Numbers: the distance to the nearest "
        "one divided by the median distance of a training image to its nearest other; a copy has 0."
    ),
}
