"""What the captioners share: the settings of their handles, and greedy decoding with a confidence."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from resources.catalog.spec import ModelSpec, sealed_revision
from resources.hosting.handle import ModelResource


class CaptioningResource(ModelResource):
    """Base of the captioners' handles.

    Attributes:
        model_id: Another model than the catalogue's: a hub id, fetched already, or a folder with a ``SHA256SUMS``.
        revision: Its commit; for folders the checksum file stands for it.
        precision: ``int8``, ``nf4``, ``bf16``, ``fp16`` or ``fp32``; empty: the catalogue's.
        device: ``auto``, ``cpu`` or ``cuda:<n>``.
        max_new_tokens: Longest answer.
        batch: Most pictures, or spans, in one forward pass.
        min_confidence: Without a rule beside the weights, answers less sure than this are refused, 0..1.
    """

    model_id: str = ""
    revision: str = "main"
    precision: str = ""
    device: str = "auto"
    max_new_tokens: int = 60
    batch: int = 4
    min_confidence: float = 0.0

    def spec(self) -> ModelSpec:
        """The catalogue's row, or the same with another source.

        Raises:
            ModelUnavailable: The profile has no such model.
        """
        spec = super().spec()
        if not self.model_id:
            return replace(spec, precision=self.precision or spec.precision)
        folder = Path(self.model_id)
        if folder.is_dir():
            source, repo, revision = "vendored", str(folder.absolute()), sealed_revision(folder)
        else:
            source, repo, revision = "hub", self.model_id, self.revision
        return replace(spec, source=source, repo=repo, revision=revision, precision=self.precision or spec.precision)

    def options(self) -> dict[str, Any]:
        """Settings of the host."""
        models = Path(self.models or os.environ.get("VID_MODELS") or "data/models")
        return {
            "precision": self.spec().precision,
            "device": self.device,
            "cache": str(models.absolute() / "quantized"),
            "max_new_tokens": self.max_new_tokens,
            "batch": self.batch,
            "min_confidence": self.min_confidence,
        }


def greedy(
    model: Any, tokenizer: Any, embeds: Any, mask: Any, *, eos: int | list[int], max_new_tokens: int
) -> tuple[list[str], list[float]]:
    """Continues sequences of embeddings with the likeliest tokens.

    Args:
        model: A transformers language model that generates.
        tokenizer: Its tokenizer.
        embeds: [n, length, width], padded on the left.
        mask: [n, length], 0 at the padding.
        eos: The token, or tokens, that end an answer.
        max_new_tokens: Most tokens of an answer.

    Returns:
        The answers, and of each the geometric mean probability of its tokens, the ending one included.
    """
    import torch

    out = model.generate(
        inputs_embeds=embeds,
        attention_mask=mask,
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        eos_token_id=eos,
        pad_token_id=tokenizer.pad_token_id,
        output_logits=True,
        return_dict_in_generate=True,
    )
    steps = len(out.logits)
    tokens = out.sequences[:, -steps:]
    ends = torch.isin(tokens, torch.tensor(eos, device=tokens.device))
    counted = (ends.cumsum(1) - ends.int()) == 0
    sums = torch.zeros(len(tokens), device=tokens.device)
    for step, logits in enumerate(out.logits):
        chosen = logits.float().log_softmax(-1).gather(1, tokens[:, step : step + 1])[:, 0]
        sums += chosen * counted[:, step]
    confidences = (sums / counted.sum(1)).exp().tolist()
    texts = tokenizer.batch_decode(torch.where(counted, tokens, tokenizer.pad_token_id), skip_special_tokens=True)
    return [text.strip() for text in texts], confidences
