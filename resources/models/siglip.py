"""Vectors of pictures and of words for them, by SigLIP 2 (Tschannen et al., "SigLIP 2", 2025).

Each host loads one half of the checkpoint: analysing needs the pictures' half, searching that of the words. Profile
``offline`` has no such model: no ordinary package was found that contains weights for it.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from resources.hosting.host import Request, served
from resources.models.runtimes import TransformersHost
from resources.tasks.picture_words import PICTURE_WORDS
from resources.tasks.pictures import PICTURES

BATCH = 8
WORDS = 64  # tokens; the model was trained with texts padded to that length, in lower case


class SiglipPicturesHost(TransformersHost):
    """The half that reads pictures."""

    def load(self) -> None:
        """Load the model and what prepares pictures for it."""
        from transformers import AutoImageProcessor, SiglipVisionModel

        self._model, self._processor = self.open(SiglipVisionModel, AutoImageProcessor)

    @served
    def embed(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the vectors of each request's rows of ``frames``."""
        answers = []
        for request in requests:
            rows, pictures = request.rows("frames"), request.arrays["frames"]
            found: list[list[float]] = []
            for start in range(0, len(rows), BATCH):
                found += self._vectors([pictures[row] for row in rows[start : start + BATCH]])
            answers.append(pl.DataFrame({"row": rows, "embedding": found}, PICTURES.schema))
        return answers

    def _vectors(self, pictures: list[np.ndarray]) -> list[list[float]]:
        import torch

        inputs = self._processor(images=pictures, return_tensors="pt").to(self.device)
        with torch.inference_mode():
            return _unit(self._model(**inputs).pooler_output)


class SiglipWordsHost(TransformersHost):
    """The half that reads words."""

    def load(self) -> None:
        """Load the model and the tokenizer."""
        from transformers import AutoTokenizer, SiglipTextModel

        self._model, self._tokenizer = self.open(SiglipTextModel, AutoTokenizer)

    @served
    def embed(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the vectors of each request's texts."""
        answers = []
        for request in requests:
            found = self._vectors([text.lower() for text in request.args["texts"]])
            answers.append(pl.DataFrame({"text": range(len(found)), "embedding": found}, PICTURE_WORDS.schema))
        return answers

    def _vectors(self, texts: list[str]) -> list[list[float]]:
        import torch

        tokens = self._tokenizer(
            texts, padding="max_length", truncation=True, max_length=WORDS, return_tensors="pt"
        ).to(self.device)
        with torch.inference_mode():
            return _unit(self._model(input_ids=tokens["input_ids"]).pooler_output)


def _unit(vectors: "object") -> list[list[float]]:
    """Return the vectors of a tensor, each of length 1."""
    import torch

    assert isinstance(vectors, torch.Tensor)
    return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().tolist()
