"""The network of TransNetV2, for inference; only host processes import this file.

Souček and Lokoč, "TransNet V2: An effective deep network architecture for fast shot transition detection", 2020. It is
the reference's inference part, rewritten to read its published PyTorch weights, whose names the attributes follow.
Reference code and weights are MIT, Copyright (c) 2020 Tomáš Souček.
"""

from collections.abc import Sequence

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253
from torch.nn import functional  # noqa: TID253

LOOKUP = 101


class Separable(nn.Module):
    """A (2+1)D convolution: in the picture, then dilated in time."""

    def __init__(self, channels: int, filters: int, dilation: int) -> None:
        super().__init__()
        picture = nn.Conv3d(channels, 2 * filters, (1, 3, 3), padding=(0, 1, 1), bias=False)
        time = nn.Conv3d(
            2 * filters, filters, (3, 1, 1), dilation=(dilation, 1, 1), padding=(dilation, 0, 0), bias=False
        )
        self.layers = nn.ModuleList([picture, time])

    def forward(self, x: Tensor) -> Tensor:
        """[b, channels, t, h, w] to [b, filters, t, h, w]."""
        return self.layers[1](self.layers[0](x))


class Dilated(nn.Module):
    """Four separable convolutions, dilated by 1, 2, 4 and 8 frames, side by side."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        for dilation in (1, 2, 4, 8):
            setattr(self, f"Conv3D_{dilation}", Separable(channels, filters, dilation))
        self.bn = nn.BatchNorm3d(filters * 4, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """[b, channels, t, h, w] to [b, 4 filters, t, h, w]."""
        return self.bn(torch.cat([getattr(self, f"Conv3D_{dilation}")(x) for dilation in (1, 2, 4, 8)], 1))


class Stack(nn.Module):
    """Two dilated blocks with a shortcut around the second, then half the resolution."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.DDCNN = nn.ModuleList([Dilated(channels, filters), Dilated(filters * 4, filters)])

    def forward(self, x: Tensor) -> Tensor:
        """[b, channels, t, h, w] to [b, 4 filters, t, h/2, w/2]."""
        shortcut = functional.relu(self.DDCNN[0](x))
        x = functional.relu(self.DDCNN[1](shortcut)) + shortcut
        return functional.avg_pool3d(x, (1, 2, 2))


class Similarity(nn.Module):
    """How alike each frame's learned features are to those of its neighbours."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.projection = nn.Linear(channels, 128)
        self.fc = nn.Linear(LOOKUP, 128)

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """The stacks' outputs, each [b, c, t, h, w], to [b, t, 128]."""
        x = torch.cat([feature.mean(dim=(3, 4)) for feature in features], 1).transpose(1, 2)
        x = functional.normalize(self.projection(x), dim=2)
        return functional.relu(self.fc(_around(x)))


class Histograms(nn.Module):
    """How alike each frame's colour histogram, of 8 x 8 x 8 bins, is to those of its neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(LOOKUP, 128)

    def forward(self, frames: Tensor) -> Tensor:
        """Frames uint8 [b, t, h, w, 3] to [b, t, 128]."""
        bins = (frames.long() >> 5).flatten(2, 3)
        index = (bins[..., 0] << 6) + (bins[..., 1] << 3) + bins[..., 2]
        counts = torch.zeros(*index.shape[:2], 512, device=frames.device)
        counts.scatter_add_(2, index, torch.ones_like(index, dtype=counts.dtype))
        return functional.relu(self.fc(_around(functional.normalize(counts, dim=2))))


class TransNetV2(nn.Module):
    """From frames uint8 [b, t, 27, 48, 3] to logits [b, t, 2]: cut, and any transition."""

    def __init__(self) -> None:
        super().__init__()
        self.SDDCNN = nn.ModuleList([Stack(3, 16), Stack(64, 32), Stack(128, 64)])
        self.frame_sim_layer = Similarity(64 + 128 + 256)
        self.color_hist_layer = Histograms()
        self.fc1 = nn.Linear(256 * 3 * 6 + 128 + 128, 1024)
        self.cls_layer1 = nn.Linear(1024, 1)
        self.cls_layer2 = nn.Linear(1024, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Frames uint8 [b, t, 27, 48, 3] to logits [b, t, 2]."""
        x = frames.permute(0, 4, 1, 2, 3).float() / 255
        features = []
        for stack in self.SDDCNN:
            x = stack(x)
            features.append(x)
        x = x.permute(0, 2, 3, 4, 1).flatten(2)
        x = torch.cat([self.color_hist_layer(frames), self.frame_sim_layer(features), x], 2)
        x = functional.relu(self.fc1(x))
        return torch.cat([self.cls_layer1(x), self.cls_layer2(x)], 2)


def _around(x: Tensor) -> Tensor:
    """Dot products of each frame with the 101 around it, zero beyond the ends: [b, t, d] to [b, t, 101]."""
    products = functional.pad(x @ x.transpose(1, 2), (LOOKUP // 2, LOOKUP // 2))
    # Row t of the padded products holds frame t's neighbours from column t on.
    rows, columns = products.stride(1), products.stride(2)
    return products.as_strided((x.shape[0], x.shape[1], LOOKUP), (products.stride(0), rows + columns, columns))
