"""Trains the tiny BLIP-2: the true classes, 1.3 million parameters, on generated scenes.

Captions alone teach a vision tower slowly. So it learns first what lies where (a head on its patches, as in
segmentation), and each query of the Q-Former which shape it answers for (as in DETR, Carion et al., 2020): queries 0
to 2 hold the shapes from left to right, the last the background. Words come then, over a tower that no longer changes.
The heads are thrown away.
"""

# ruff: noqa: TID253  nothing imports this file but training

import copy
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    BlipImageProcessorPil,
    OPTConfig,
)

from resources.tasks.captions import PROMPTS
from training.tiny_captioners.pool import CLASSES, Batch, PicturePool
from training.tiny_captioners.scenes import UNKNOWN, answers
from training.tiny_captioners.text import word_tokenizer
from training.tiny_captioners.training import SHAPE_WIDTH, Trainer, map_loss, normalised, shape_loss, slot_hits, whiten
from vid_assets.synthetic.shapes import BACKGROUNDS, COLOURS, SHAPES

SIDE, PATCH, QUERIES, WIDTH = 96, 16, 4, 128
GRID, CELLS = SIDE // PATCH, 4
MEAN, STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
PROMPT_NAMES = list(PROMPTS)


def build_processor() -> Blip2Processor:
    """Processor files as `Blip2Processor.from_pretrained` reads them: 96 x 96 px, word tokens, four queries."""
    texts = [*PROMPTS.values(), UNKNOWN, "a photo of , a and on background is left of above between stands alone"]
    texts += [*COLOURS, *SHAPES, *BACKGROUNDS]
    tokenizer = word_tokenizer(texts, ("<image>",))
    images = BlipImageProcessorPil(size={"height": SIDE, "width": SIDE}, image_mean=list(MEAN), image_std=list(STD))
    return Blip2Processor(images, tokenizer, num_query_tokens=QUERIES)


def build_model(processor: Blip2Processor) -> Blip2ForConditionalGeneration:
    """The true class, random weights."""
    tokenizer = processor.tokenizer
    image_token = tokenizer.convert_tokens_to_ids("<image>")
    vision = Blip2VisionConfig(
        hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=4, num_attention_heads=4,
        image_size=SIDE, patch_size=PATCH, initializer_range=0.02,
    )  # fmt: skip
    qformer = Blip2QFormerConfig(
        hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=2, num_attention_heads=4,
        encoder_hidden_size=WIDTH, vocab_size=len(tokenizer), cross_attention_frequency=1,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    text = OPTConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, word_embed_proj_dim=WIDTH, ffn_dim=2 * WIDTH,
        num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64, dropout=0.0,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    model = Blip2ForConditionalGeneration(
        Blip2Config(
            vision_config=vision.to_dict(),
            qformer_config=qformer.to_dict(),
            text_config=text.to_dict(),
            num_query_tokens=QUERIES,
            image_token_index=image_token,
        )
    )
    with torch.no_grad():  # all zero, as the class makes them, the queries would stay alike for long
        model.query_tokens.normal_(0.0, 0.5)
    return model


class Tutor(nn.Module):
    """The heads that are thrown away: what each patch and each query should know."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(WIDTH, CELLS * CELLS * CLASSES)
        self.query = nn.Linear(WIDTH, SHAPE_WIDTH)
        self.background = nn.Linear(WIDTH, len(BACKGROUNDS) + 1)

    def slots_loss(self, queries: Tensor, batch: Batch) -> Tensor:
        """Loss of shapes and background, from queries [n, QUERIES, WIDTH]."""
        shapes = shape_loss(self.query(queries[:, :3]), torch.from_numpy(batch.slots))
        ground = nn.functional.cross_entropy(self.background(queries[:, 3]), torch.from_numpy(batch.backgrounds))
        return shapes + 0.3 * ground


class Sentences:
    """Prompts and answers as token ids; the sequence is queries, prompt, answer, ``</s>``, padded in front."""

    def __init__(self, processor: Blip2Processor) -> None:
        self.tokenizer = processor.tokenizer
        self.prompts = {name: self.tokenizer(text).input_ids for name, text in PROMPTS.items()}
        self.known: dict[str, list[int]] = {}

    def encode(self, pairs: list[tuple[str, str]]) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, attention mask and labels of (prompt name, answer) pairs, each [n, length]."""
        rows = []
        for name, answer in pairs:
            if answer not in self.known:
                self.known[answer] = [*self.tokenizer(answer).input_ids[1:], self.tokenizer.eos_token_id]
            rows.append((self.prompts[name], self.known[answer]))
        length = max(len(prompt) + len(answer) for prompt, answer in rows)
        ids = torch.full((len(rows), length), self.tokenizer.pad_token_id)
        labels = torch.full_like(ids, -100)
        mask = torch.zeros_like(ids)
        for row, (prompt, answer) in enumerate(rows):
            start = length - len(prompt) - len(answer)
            ids[row, start:] = torch.tensor([*prompt, *answer])
            mask[row, start:] = 1
            labels[row, start + len(prompt) :] = torch.tensor(answer)
        return ids, mask, labels


def text_loss(model: Blip2ForConditionalGeneration, sentences: Sentences, queries: Tensor, pairs: list) -> Tensor:
    """Cross-entropy of the answers; `queries` are one row per pair."""
    ids, mask, labels = sentences.encode(pairs)
    words = model.get_input_embeddings()(ids)
    embeds = torch.cat([model.language_projection(queries), words], 1)
    mask = torch.cat([torch.ones(queries.shape[:2], dtype=mask.dtype), mask], 1)
    logits = model.language_model(inputs_embeds=embeds, attention_mask=mask).logits[:, QUERIES - 1 : -1]
    return nn.functional.cross_entropy(logits.transpose(1, 2), labels, ignore_index=-100)


def ask(model: Blip2ForConditionalGeneration, image: Tensor) -> Tensor:
    """Query features [n, QUERIES, WIDTH] from the tower's [n, 1 + GRID ** 2, WIDTH]."""
    tokens = model.query_tokens.expand(len(image), -1, -1)
    return model.qformer(query_embeds=tokens, encoder_hidden_states=image).last_hidden_state


def see(model: Blip2ForConditionalGeneration, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Patch features [n, GRID ** 2, WIDTH] and query features [n, QUERIES, WIDTH]."""
    image = model.vision_model(pixels).last_hidden_state
    return image[:, 1:], ask(model, image)


def train(
    folder: Path, pool: PicturePool, steps: tuple[int, int], seed: int, *, batch: int = 64, report: int = 100
) -> None:
    """Trains and writes model and processor files, fp16.

    Args:
        folder: Where to write.
        pool: Pictures of SIDE px with maps of GRID * CELLS.
        steps: Of the tower with the Q-Former, then of the words.
        seed: Of weights and batches.
        batch: Pictures a step.
        report: Steps between lines of progress.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    processor = build_processor()
    model, tutor = build_model(processor).train(), Tutor()
    whiten(model.vision_model.embeddings.patch_embedding, pool.batch(rng, 600).pictures, seed)
    train_sight(model, tutor, pool, steps[0], rng, batch=batch, report=report)
    write(model, processor, folder)
    train_words(model, tutor, processor, pool, steps[1], rng, batch=batch, report=report)
    write(model, processor, folder)


def train_sight(
    model: Blip2ForConditionalGeneration, tutor: Tutor, pool: PicturePool, steps: int, rng: np.random.Generator, *,
    batch: int, report: int,
) -> None:  # fmt: skip
    """Vision tower and Q-Former, no words yet."""
    trainer = Trainer([model.vision_model, model.qformer], [tutor, Queries(model)], steps, 2e-3)
    start = time.perf_counter()
    for step in range(steps):
        part = pool.batch(rng, batch)
        patches, queries = see(model, normalised(part.pictures))
        lies, stands = map_loss(tutor.map(patches), part.maps, GRID, CLASSES), tutor.slots_loss(queries, part)
        trainer.step(lies + stands)
        if step % report == 0 or step + 1 == steps:
            hits = slot_hits(tutor.query(queries[:, :3]), torch.from_numpy(part.slots))
            spent = time.perf_counter() - start
            print(
                f"blip2 sight {step} {spent:.0f} s map {lies.item():.3f} slots {stands.item():.3f} "
                f"kinds {hits[0]:.2f} colours {hits[1]:.2f}",
                flush=True,
            )


class Queries(nn.Module):
    """The model's query tokens as a module, for the trainer."""

    def __init__(self, model: Blip2ForConditionalGeneration) -> None:
        super().__init__()
        self.tokens = model.query_tokens


def train_words(
    model: Blip2ForConditionalGeneration, tutor: Tutor, processor: Blip2Processor, pool: PicturePool, steps: int,
    rng: np.random.Generator, *, batch: int, report: int,
) -> None:  # fmt: skip
    """Q-Former, projection and language model, over a tower that no longer changes; two prompts per picture."""
    sentences = Sentences(processor)
    inner = [model.qformer, model.language_projection, model.language_model]
    trainer = Trainer(inner, [tutor.query, tutor.background, Queries(model)], steps, 2e-3)
    start = time.perf_counter()
    for step in range(steps):
        part = pool.batch(rng, batch)
        with torch.no_grad():
            image = model.vision_model(normalised(part.pictures)).last_hidden_state
        queries = ask(model, image)
        names = rng.permuted(np.tile(PROMPT_NAMES, (batch, 1)), axis=1)[:, :2].ravel()
        pairs = [(str(name), answers(part.scenes[row // 2])[str(name)]) for row, name in enumerate(names)]
        spoken = text_loss(model, sentences, queries.repeat_interleave(2, 0), pairs)
        trainer.step(spoken + 0.2 * tutor.slots_loss(queries, part))
        if step % report == 0 or step + 1 == steps:
            print(f"blip2 words {step} {time.perf_counter() - start:.0f} s loss {spoken.item():.4f}", flush=True)


def write(model: Blip2ForConditionalGeneration, processor: Blip2Processor, folder: Path) -> None:
    """Model (fp16 safetensors), config, generation config and processor files."""
    folder.mkdir(parents=True, exist_ok=True)
    processor.save_pretrained(folder)
    copy.deepcopy(model).half().save_pretrained(folder)
