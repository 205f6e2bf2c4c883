"""The minimax objective (GAN, arXiv 1406.2661, equation 1 and Algorithm 1), on logits: D = sigmoid(score)."""

from torch import Tensor
from torch.nn.functional import softplus

from ganflow.methods.objectives.non_saturating import NonSaturating


class Minimax(NonSaturating):
    """Critic: -E log D(x_real) - E log(1 - D(x_fake)); generator: E log(1 - D(x_fake)), which saturates."""

    def generator_loss(self, fake: Tensor) -> Tensor:
        return -softplus(fake).mean()
