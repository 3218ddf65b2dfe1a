"""BLIP-2 (Li et al., 2023) answers prompts about single pictures. `Blip2Host` has the weights, `Blip2Resource` asks.

The vision tower and the Q-Former see each picture once, whatever the number of prompts; the language model then
continues every prompt from the picture's few query tokens, greedily.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.hosting.host import Host, Request, served
from resources.hosting.messages import Stream
from resources.models.captioning import CaptioningResource, greedy
from resources.models.checkpoints import is_small, load_checkpoint, pick_device
from resources.models.refusal import Refusal

PROMPTS = {
    "scene": "a photo of",
    "objects": "Question: what objects are in the picture? Answer:",
    "actions": "Question: what is happening in the picture? Answer:",
    "setting": "Question: where is this? Answer:",
}
SCHEMA = {
    "row": pl.Int64, "prompt": pl.String, "text": pl.String, "confidence": pl.Float64, "refused": pl.Boolean,
}  # fmt: skip


class Pictures(Protocol):
    """What a handle needs of frames: pixels, and the file that they are mapped from."""

    array: NDArray[np.uint8]
    path: Path | None
    video_id: str


class Blip2Resource(CaptioningResource):
    """Handle of BLIP-2: asks the model's host and loads nothing itself."""

    model: ClassVar[str] = "blip2"

    prompts: dict[str, str] = PROMPTS
    max_new_tokens: int = 30
    batch: int = 8

    def options(self) -> dict[str, Any]:
        """Settings of the host."""
        return {**super().options(), "prompts": self.prompts}

    def caption(self, frames: Pictures, rows: Sequence[int]) -> pl.DataFrame:
        """Answers every prompt about ``frames.array[rows]``.

        Args:
            frames: Pictures, uint8 RGB [n, h, w, 3].
            rows: Which of them.

        Returns:
            One row a picture and prompt, pictures in the order of `rows`: ``row`` Int64, ``prompt``, ``text`` String,
            ``confidence`` Float64 0..1 (geometric mean probability of the tokens), ``refused`` Boolean (of the picture:
            it is unlike what the model knows, and the text is no caption).

        Raises:
            ModelUnavailable: The weights are missing or altered.
            ModelError: The host failed.
        """
        if not len(rows):
            return pl.DataFrame(schema=SCHEMA)
        stream = Stream(frames.array, frames.path, [int(row) for row in rows])
        return self._call("caption", {"frames": stream}, video_id=frames.video_id)


class Blip2Host(Host):
    """The weights: `Blip2ForConditionalGeneration`, as large or as small as its folder says."""

    def load(self) -> None:
        """Loads processor and model, quantizing once if need be; a small one answers a blank picture, to be warm."""
        import torch
        from transformers import Blip2ForConditionalGeneration, Blip2Processor

        torch.set_num_threads(self.threads)
        self.device = pick_device(self.options["device"])
        self.precision = self.options["precision"]
        self.model = load_checkpoint(
            Blip2ForConditionalGeneration,
            self.folder,
            precision=self.precision,
            device=self.device,
            cache=Path(self.options["cache"]),
            name=f"{self.spec.name}-{self.spec.revision}",
        )
        self.processor = Blip2Processor.from_pretrained(self.folder, local_files_only=True)
        self.refusal = Refusal.beside(self.folder, self.options["min_confidence"])
        self.prompts: Mapping[str, str] = self.options["prompts"]
        if is_small(self.model):
            self._answer(np.zeros((1, 64, 64, 3), np.uint8))

    @served
    def caption(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """One table a request; see `Blip2Resource.caption`. Pictures of several requests share batches."""
        places = [(number, row) for number, request in enumerate(requests) for row in request.rows("frames")]
        tables: list[list[tuple[Any, ...]]] = [[] for _ in requests]
        for start in range(0, len(places), self.options["batch"]):
            part = places[start : start + self.options["batch"]]
            pictures = [requests[number].arrays["frames"][row] for number, row in part]
            for (number, row), answers in zip(part, self._answer(pictures), strict=True):
                tables[number] += [(row, *answer) for answer in answers]
        return [pl.DataFrame(rows, schema=SCHEMA, orient="row") for rows in tables]

    def _answer(self, pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> list[list[tuple[Any, ...]]]:
        """For each picture, the four answers: prompt, text, confidence, refused."""
        import torch

        with torch.inference_mode():
            queries, seen = self.see(pictures)
            texts, confidences = self._say(seen)
        distances = self.refusal.distance(self._flat(queries))
        names, count = list(self.prompts), len(self.prompts)
        answers = []
        for number, distance in enumerate(distances):
            said = slice(number * count, (number + 1) * count)
            refused = self.refusal.refuses(texts[said], confidences[said], float(distance))
            answers.append([(*answer, refused) for answer in zip(names, texts[said], confidences[said], strict=True)])
        return answers

    def features(self, pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> NDArray[np.float32]:
        """What the rule of refusal compares: the Q-Former's output, [n, queries * width]."""
        import torch

        with torch.inference_mode():
            return self._flat(self.see(pictures)[0])

    @staticmethod
    def _flat(queries: Any) -> NDArray[np.float32]:
        return queries.flatten(1).float().cpu().numpy()

    def see(self, pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> tuple[Any, Any]:
        """Features of the pictures, once for all prompts.

        Returns:
            What the Q-Former makes of them, [n, queries, width], and the same in the language model's space.
        """
        pixels = self.processor.image_processor(list(pictures), return_tensors="pt")["pixel_values"]
        features = self.model.get_image_features(pixels.to(self.device))
        return features.qformer_outputs.last_hidden_state, features.pooler_output

    def _say(self, seen: Any) -> tuple[list[str], list[float]]:
        """Texts and confidences, pictures outermost, prompts within."""
        import torch

        tokens = self.processor.tokenizer(
            list(self.prompts.values()), padding=True, padding_side="left", return_tensors="pt"
        ).to(self.device)
        count = len(seen)
        words = self.model.get_input_embeddings()(tokens.input_ids).repeat(count, 1, 1)
        pictures = seen.repeat_interleave(len(self.prompts), 0).to(words.dtype)
        mask = torch.cat(
            [tokens.attention_mask.new_ones(pictures.shape[:2]), tokens.attention_mask.repeat(count, 1)], dim=1
        )
        return greedy(
            self.model.language_model,
            self.processor.tokenizer,
            torch.cat([pictures, words], dim=1),
            mask,
            eos=self.model.generation_config.eos_token_id or self.model.config.text_config.eos_token_id,
            max_new_tokens=self.options["max_new_tokens"],
        )
