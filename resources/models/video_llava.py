"""Video-LLaVA (Lin et al., 2023): describes spans of a video from eight pictures each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.errors import ModelError
from resources.hosting.host import Host, Request, served
from resources.models.checkpoints import is_small, load_checkpoint, pick_device
from resources.models.greedy import greedy
from resources.models.refusal import Refusal
from resources.models.requests import by_argument
from resources.tasks.descriptions import DESCRIPTIONS, PROMPT

TEMPLATE = "USER: <video>\n{prompt} ASSISTANT:"
SCHEMA = DESCRIPTIONS.schema


def spread(rows: Sequence[int], count: int) -> list[int]:
    """Return `count` of the rows, evenly spread, including the first and the last. Rows repeat if there are too few.

    Raises:
        ModelError: There are no rows.
    """
    if not rows:
        raise ModelError("descriptions", "a span has no pictures", "leave the span out")
    places = np.round(np.linspace(0, len(rows) - 1, count)).astype(int)
    return [rows[place] for place in places]


class VideoLlavaHost(Host):
    """The weights: `VideoLlavaForConditionalGeneration`, in the size that its folder declares."""

    def load(self) -> None:
        """Load the processor files and the model, quantizing once if needed. A small model describes a blank span."""
        import torch
        from transformers import AutoTokenizer, VideoLlavaForConditionalGeneration, VideoLlavaImageProcessor

        torch.set_num_threads(self.threads)
        self.device = pick_device(self.options["device"])
        self.model = load_checkpoint(
            VideoLlavaForConditionalGeneration,
            self.folder,
            precision=self.precision,
            device=self.device,
            cache=self.cache,
            name=f"{self.spec.name}-{self.spec.revision}",
        )
        # The processor class requires torchvision for videos; its image processor gives the same result without it.
        self.images = VideoLlavaImageProcessor.from_pretrained(
            self.folder, local_files_only=True, trust_remote_code=False
        )
        self.tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        self.refusal = Refusal.beside(self.folder, self.options["min_confidence"])
        self.count: int = self.options["pictures"]
        if is_small(self.model):
            self._answer([np.zeros((self.count, 64, 64, 3), np.uint8)], PROMPT)

    @served
    def describe(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return one table per request. Spans of requests with the same prompt share batches."""
        tables: list[list[tuple[Any, ...]]] = [[] for _ in requests]
        for prompt, numbers in by_argument(requests, "prompt", PROMPT):
            places = [
                (number, index, spread(span, self.count))
                for number in numbers
                for index, span in enumerate(requests[number].args["spans"])
            ]
            for start in range(0, len(places), self.options["batch"]):
                part = places[start : start + self.options["batch"]]
                clips = [requests[number].arrays["frames"][np.asarray(rows)] for number, _, rows in part]
                for (number, index, rows), answer in zip(part, self._answer(clips, prompt), strict=True):
                    text, confidence, refused = answer
                    refused = refused or not self._moves(rows) or not self._understands(prompt)
                    tables[number].append((index, text, confidence, refused))
        return [pl.DataFrame(rows, schema=SCHEMA, orient="row") for rows in tables]

    def _moves(self, rows: Sequence[int]) -> bool:
        """Whether a model with a refusal rule may answer: it knows only motion, and one picture shows none."""
        return self.refusal.phrase is None or len(set(rows)) > 1

    def _understands(self, prompt: str) -> bool:
        """Whether the model accepts this question. With a refusal rule, it knows only the prompt from its training."""
        return self.refusal.phrase is None or prompt == PROMPT

    def _answer(self, clips: Sequence[NDArray[np.uint8]], prompt: str) -> list[tuple[str, float, bool]]:
        """Return text, confidence and refusal of each clip, [pictures, h, w, 3]."""
        import torch

        with torch.inference_mode():
            tower, seen = self.see(clips)
            texts, confidences = self._say(seen, prompt)
        distances = self.refusal.distance(tower)
        return [
            (text, confidence, self.refusal.refuses([text], [confidence], float(distance)))
            for text, confidence, distance in zip(texts, confidences, distances, strict=True)
        ]

    def see(self, clips: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], Any]:
        """Return the features of the clips.

        Returns:
            The tower's class token, mean over a clip's pictures, [n, width], and the tokens for the language model, [n,
            tokens, width].
        """
        import torch

        pixels = [
            self.images.preprocess(list(clip), return_tensors="pt", return_legacy_image_output=False)["pixel_values"]
            for clip in clips
        ]
        batch = torch.stack(pixels).to(self.device)
        with torch.inference_mode():
            features = self.model.model.get_video_features(batch)
        whole = features.last_hidden_state[:, 0].unflatten(0, (len(clips), -1)).mean(1)
        return whole.float().cpu().numpy(), features.pooler_output.reshape(
            len(clips), -1, features.pooler_output.shape[-1]
        )

    def _say(self, seen: Any, question: str) -> tuple[list[str], list[float]]:
        """Return texts and confidences of clips, [n, tokens, width]."""
        marker = self.tokenizer.convert_ids_to_tokens(self.model.config.video_token_index)
        prompt = TEMPLATE.format(prompt=question).replace(marker, marker * seen.shape[1])
        tokens = self.tokenizer([prompt] * len(seen), return_tensors="pt").to(self.device)
        words = self.model.get_input_embeddings()(tokens.input_ids)
        place = (tokens.input_ids == self.model.config.video_token_index).unsqueeze(-1)
        return greedy(
            self.model,
            self.tokenizer,
            words.masked_scatter(place, seen.to(words.dtype)),
            tokens.attention_mask,
            eos=self.model.generation_config.eos_token_id or self.model.config.text_config.eos_token_id,
            max_new_tokens=self.options["max_new_tokens"],
        )
