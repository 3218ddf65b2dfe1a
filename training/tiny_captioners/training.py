"""What both tiny captioners train with: optimizer, schedule, a start for patch embeddings, and the tutors' losses."""

# ruff: noqa: TID253  nothing imports this file but training

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

from vid_assets.synthetic.shapes import COLOURS, SHAPES

SHAPE_WIDTH = 1 + len(SHAPES) + len(COLOURS) + 2


class Muon(torch.optim.Optimizer):
    """Momentum whose steps are made orthogonal, for matrices (Jordan et al., 2024); steps have the size of Adam's.

    `torch.optim.Muon` computes in bfloat16, which CPUs without it emulate slowly; this one stays in single precision.
    """

    def __init__(self, matrices: Iterable[Tensor], lr: float, momentum: float = 0.95, decay: float = 0.02) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self) -> None:
        """One step."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                speed = state.setdefault("speed", torch.zeros_like(matrix))
                speed.lerp_(matrix.grad, 1 - group["momentum"])
                step = orthogonal(matrix.grad.lerp(speed, group["momentum"]))
                matrix.mul_(1 - group["lr"] * group["decay"])
                matrix.sub_(step, alpha=group["lr"] * 0.2 * math.sqrt(max(matrix.shape)))


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly the closest matrix with equal singular values, by five Newton-Schulz steps."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
    return x.T if tall else x


class Trainer:
    """Steps all parameters of some modules: hidden matrices by `Muon`, the rest by AdamW, with warm-up and cosine."""

    def __init__(self, modules: Iterable[nn.Module], heads: Iterable[nn.Module], steps: int, peak: float) -> None:
        inner = {id(p): p for module in modules for p in module.parameters() if p.requires_grad}
        outer = {id(p): p for head in heads for p in head.parameters() if p.requires_grad}
        embeddings = {
            id(child.weight) for module in modules for child in module.modules() if isinstance(child, nn.Embedding)
        }
        matrices = [p for key, p in inner.items() if p.ndim == 2 and key not in embeddings and key not in outer]
        chosen = {id(p) for p in matrices}
        rest = [p for key, p in {**inner, **outer}.items() if key not in chosen]
        self.parameters = [*matrices, *rest]
        self.optimizers = [Muon(matrices, peak), torch.optim.AdamW(rest, peak, betas=(0.9, 0.98), weight_decay=0.01)]
        self.steps, self.peak, self.done = steps, peak, 0

    def step(self, loss: Tensor) -> None:
        """Backward, clip, step, and on with the schedule."""
        warm = min(1.0, (self.done + 1) / min(100, self.steps / 5))
        rate = self.peak * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.done / self.steps)))
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.done += 1


def normalised(pictures: np.ndarray) -> Tensor:
    """uint8 [n, side, side, 3] as the image processors hand it to the models: float32 [n, 3, side, side], -1..1."""
    return torch.from_numpy(pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255).sub(0.5).div(0.5)


@torch.no_grad()
def whiten(embedding: nn.Conv2d, pictures: np.ndarray, seed: int) -> None:
    """Starts a patch embedding from the principal components of patches, all at about the same strength.

    From random weights it would hear little but the mean colour of a patch, which outshines every edge tenfold.
    """
    size, width = embedding.kernel_size[0], embedding.out_channels
    batch = normalised(pictures)
    patches = batch.unfold(2, size, size).unfold(3, size, size).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3 * size * size)
    patches = patches - patches.mean(0)
    spread, axes = torch.linalg.eigh(patches.T @ patches / len(patches))
    strength = spread.flip(0)[:width].clamp(min=0).sqrt()
    rows = axes.T.flip(0)[:width] / (strength[:, None] + 0.03 * strength[10]) * 0.5
    turn, _ = torch.linalg.qr(torch.randn(width, width, generator=torch.Generator().manual_seed(seed)))
    embedding.weight.copy_((turn @ rows).reshape(embedding.weight.shape))


def map_loss(guess: Tensor, maps: np.ndarray, grid: int, classes: int) -> Tensor:
    """Cross-entropy of coarse maps; empty places count a tenth.

    Args:
        guess: [n, grid ** 2, cells ** 2 * classes], the cells within each patch.
        maps: [n, grid * cells, grid * cells].
        grid: Patches a side.
        classes: Of the maps; 0 is empty.
    """
    truth = torch.from_numpy(maps.astype(np.int64))
    cells = maps.shape[1] // grid
    truth = truth.unflatten(2, (grid, cells)).unflatten(1, (grid, cells)).transpose(2, 3).flatten()
    weight = torch.full((classes,), 1.0)
    weight[0] = 0.1
    return nn.functional.cross_entropy(guess.reshape(-1, classes), truth, weight)


def shape_loss(guess: Tensor, truth: Tensor) -> Tensor:
    """Mean loss of shape guesses.

    Args:
        guess: [..., SHAPE_WIDTH]: presence, kinds, colours (logits), two coordinates.
        truth: [..., 5]: presence, kind, colour, two coordinates; all but presence counts only where a shape is present.
    """
    present = truth[..., 0] > 0
    loss = nn.functional.binary_cross_entropy_with_logits(guess[..., 0], truth[..., 0])
    if present.any():
        right, seen = truth[present], guess[present]
        edge = 1 + len(SHAPES)
        loss = loss + nn.functional.cross_entropy(seen[:, 1:edge], right[:, 1].long())
        loss = loss + nn.functional.cross_entropy(seen[:, edge:-2], right[:, 2].long())
        loss = loss + 2 * nn.functional.smooth_l1_loss(seen[:, -2:], right[:, 3:], beta=0.1)
    return loss


def slot_hits(guess: Tensor, truth: Tensor) -> tuple[float, float]:
    """Share of right kinds and of right colours among the shapes that are there."""
    present = truth[..., 0] > 0
    edge = 1 + len(SHAPES)
    kinds = guess[present][:, 1:edge].argmax(1) == truth[present][:, 1]
    colours = guess[present][:, edge:-2].argmax(1) == truth[present][:, 2]
    return kinds.float().mean().item(), colours.float().mean().item()
