"""BLIP-2 (Li et al., 2023): answers prompts about single pictures.

The vision tower and the Q-Former process each picture once, for any number of prompts. The language model then
continues every prompt from the picture's few query tokens, greedily.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.hosting.host import Host, Request, served
from resources.models.checkpoints import is_small, load_checkpoint, pick_device
from resources.models.greedy import greedy
from resources.models.refusal import Refusal
from resources.models.requests import by_argument
from resources.tasks.captions import CAPTIONS, PROMPTS

SCHEMA = CAPTIONS.schema


class Blip2Host(Host):
    """The weights: `Blip2ForConditionalGeneration`, in the size that its folder declares."""

    def load(self) -> None:
        """Load the processor and the model, quantizing once if needed. A small one first answers a blank picture."""
        import torch
        from transformers import Blip2ForConditionalGeneration, Blip2Processor

        torch.set_num_threads(self.threads)
        self.device = pick_device(self.options["device"])
        self.model = load_checkpoint(
            Blip2ForConditionalGeneration,
            self.folder,
            precision=self.precision,
            device=self.device,
            cache=self.cache,
            name=f"{self.spec.name}-{self.spec.revision}",
        )
        self.processor = Blip2Processor.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        self.refusal = Refusal.beside(self.folder, self.options["min_confidence"])
        if is_small(self.model):
            self._answer(np.zeros((1, 64, 64, 3), np.uint8), PROMPTS)

    @served
    def caption(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return one table per request. Pictures of requests with the same prompts share batches."""
        tables: list[list[tuple[Any, ...]]] = [[] for _ in requests]
        for prompts, numbers in by_argument(requests, "prompts", PROMPTS):
            places = [(number, row) for number in numbers for row in requests[number].rows("frames")]
            for start in range(0, len(places), self.options["batch"]):
                part = places[start : start + self.options["batch"]]
                pictures = [requests[number].arrays["frames"][row] for number, row in part]
                for (number, row), answers in zip(part, self._answer(pictures, prompts), strict=True):
                    tables[number] += [(row, *answer) for answer in answers]
        return [pl.DataFrame(rows, schema=SCHEMA, orient="row") for rows in tables]

    def _answer(
        self, pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8], prompts: Mapping[str, str]
    ) -> list[list[tuple[Any, ...]]]:
        """Return for each picture the answer to each prompt: prompt, text, confidence, refused."""
        import torch

        with torch.inference_mode():
            queries, seen = self.see(pictures)
            texts, confidences = self._say(seen, list(prompts.values()))
        distances = self.refusal.distance(self._flat(queries))
        count = len(prompts)
        answers = []
        for number, distance in enumerate(distances):
            said = slice(number * count, (number + 1) * count)
            refused = self.refusal.refuses(texts[said], confidences[said], float(distance))
            rows = zip(prompts, texts[said], confidences[said], prompts.values(), strict=True)
            answers.append([(*answer, refused or not self._understands(prompt)) for *answer, prompt in rows])
        return answers

    def _understands(self, prompt: str) -> bool:
        """Whether the model accepts this question. With a refusal rule, it knows only the prompts from its training."""
        return self.refusal.phrase is None or prompt in PROMPTS.values()

    def features(self, pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the input of the refusal rule: the Q-Former's output, [n, queries * width]."""
        import torch

        with torch.inference_mode():
            return self._flat(self.see(pictures)[0])

    @staticmethod
    def _flat(queries: Any) -> NDArray[np.float32]:
        return queries.flatten(1).float().cpu().numpy()

    def see(self, pictures: Sequence[NDArray[np.uint8]] | NDArray[np.uint8]) -> tuple[Any, Any]:
        """Compute the features of the pictures, once for all prompts.

        Returns:
            The Q-Former's output, [n, queries, width], and the same in the language model's space.
        """
        pixels = self.processor.image_processor(list(pictures), return_tensors="pt")["pixel_values"]
        features = self.model.get_image_features(pixels.to(self.device))
        return features.qformer_outputs.last_hidden_state, features.pooler_output

    def _say(self, seen: Any, prompts: list[str]) -> tuple[list[str], list[float]]:
        """Return texts and confidences, pictures in the outer order, prompts in the inner."""
        import torch

        tokens = self.processor.tokenizer(prompts, padding=True, padding_side="left", return_tensors="pt").to(
            self.device
        )
        count = len(seen)
        words = self.model.get_input_embeddings()(tokens.input_ids).repeat(count, 1, 1)
        pictures = seen.repeat_interleave(len(prompts), 0).to(words.dtype)
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
