"""Trains the tiny Video-LLaVA: the true classes, 1.3 million parameters, on generated spans of eight pictures.

The video tower learns first, on single pictures, with heads that are thrown away; eight times cheaper than on spans.
Then projector and language model learn to tell what moves where, on top of it. The image tower, which the pipeline
never uses, gets the video tower's weights.
"""

# ruff: noqa: TID253  nothing imports this file but training

import copy
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    PreTrainedTokenizerFast,
    VideoLlavaConfig,
    VideoLlavaForConditionalGeneration,
    VideoLlavaImageProcessor,
)

from resources.models.video_llava import TEMPLATE
from resources.tasks.descriptions import PROMPT
from training.tiny_captioners.pool import CLASSES, Batch, PicturePool
from training.tiny_captioners.scenes import UNKNOWN
from training.tiny_captioners.spans import FRAMES, WAYS, SpanPool
from training.tiny_captioners.text import word_tokenizer
from training.tiny_captioners.training import SHAPE_WIDTH, Trainer, map_loss, normalised, shape_loss, slot_hits, whiten
from vid_assets.synthetic.shapes import BACKGROUNDS, COLOURS, DIRECTIONS, SHAPES

SIDE, PATCH, WIDTH, TOWER_WIDTH = 80, 20, 128, 192
GRID, CELLS = SIDE // PATCH, 4
TOKENS = (GRID * GRID + 1) * FRAMES
ASKED = TEMPLATE.format(prompt=PROMPT)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Words of the prompt and of the answers."""
    texts = [ASKED.replace("<video>", ""), UNKNOWN, "a , and on background then moves stands still"]
    return word_tokenizer([*texts, *COLOURS, *SHAPES, *BACKGROUNDS, *DIRECTIONS], ("<image>", "<video>"))


def build_images() -> VideoLlavaImageProcessor:
    """Squeezes to 80 x 80 px without a crop, which would cut wide pictures."""
    return VideoLlavaImageProcessor(
        size={"height": SIDE, "width": SIDE}, do_center_crop=False, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )


def build_model(tokenizer: PreTrainedTokenizerFast) -> VideoLlavaForConditionalGeneration:
    """The true class, random weights. Features are those of the tower's last layer: a tiny one has none to spare."""
    vision = CLIPVisionConfig(
        hidden_size=TOWER_WIDTH, intermediate_size=2 * TOWER_WIDTH, num_hidden_layers=4, num_attention_heads=6,
        image_size=SIDE, patch_size=PATCH,
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=3,
        num_attention_heads=4, max_position_embeddings=256, pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    return VideoLlavaForConditionalGeneration(
        VideoLlavaConfig(
            vision_config=vision.to_dict(),
            text_config=text.to_dict(),
            vision_feature_layer=-1,
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
            image_seq_length=GRID * GRID,
            video_seq_length=TOKENS,
        )
    )


class Tutor(nn.Module):
    """What each patch holds, and what the class token should know of the whole picture."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(TOWER_WIDTH, CELLS * CELLS * CLASSES)
        self.slots = nn.Linear(TOWER_WIDTH, 3 * SHAPE_WIDTH)
        self.background = nn.Linear(TOWER_WIDTH, len(BACKGROUNDS) + 1)

    def shapes(self, whole: Tensor) -> Tensor:
        """Guesses from the class token [n, TOWER_WIDTH]: [n, 3, SHAPE_WIDTH]."""
        return self.slots(whole).unflatten(-1, (3, SHAPE_WIDTH))

    def slots_loss(self, whole: Tensor, batch: Batch) -> Tensor:
        """Loss of shapes and background, from class tokens [n, TOWER_WIDTH]."""
        ground = nn.functional.cross_entropy(self.background(whole), torch.from_numpy(batch.backgrounds))
        return shape_loss(self.shapes(whole), torch.from_numpy(batch.slots)) + 0.3 * ground


def train_tower(
    model: VideoLlavaForConditionalGeneration, pool: PicturePool, steps: int, rng: np.random.Generator, *, batch: int,
    report: int,
) -> None:  # fmt: skip
    """The video tower alone, on single pictures."""
    tower, tutor = model.model.video_tower, Tutor()
    trainer, start = Trainer([tower], [tutor], steps, 2e-3), time.perf_counter()
    for step in range(steps):
        part = pool.batch(rng, batch)
        features = tower(normalised(part.pictures)).last_hidden_state
        lies = map_loss(tutor.map(features[:, 1:]), part.maps, GRID, CLASSES)
        stands = tutor.slots_loss(features[:, 0], part)
        trainer.step(lies + stands)
        if step % report == 0 or step + 1 == steps:
            hits = slot_hits(tutor.shapes(features[:, 0]), torch.from_numpy(part.slots))
            spent = time.perf_counter() - start
            print(
                f"tower {step} {spent:.0f} s map {lies.item():.3f} slots {stands.item():.3f} "
                f"kinds {hits[0]:.2f} colours {hits[1]:.2f}",
                flush=True,
            )


class MotionTutor(nn.Linear):
    """Tells from the second layer's view of a patch which way the shapes in it have gone; thrown away afterwards.

    Words alone teach this slowly: one of five directions for a few words a span. Here every place of every picture
    counts, and the layers after it need only copy.
    """

    def __init__(self) -> None:
        super().__init__(WIDTH, CELLS * CELLS * (1 + len(WAYS)))


class Sentences:
    """Prompt and answers as token ids, the video's placeholders in the prompt."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.prompt = tokenizer(ASKED.replace("<video>", "<video>" * TOKENS)).input_ids

    def encode(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Ids and labels, [n, length], padded behind: nothing that comes later is seen."""
        answers = [[*self.tokenizer(text).input_ids[1:], self.tokenizer.eos_token_id] for text in texts]
        length = len(self.prompt) + max(map(len, answers))
        ids = torch.full((len(texts), length), self.tokenizer.eos_token_id)
        labels = torch.full_like(ids, -100)
        for row, answer in enumerate(answers):
            ids[row, : len(self.prompt) + len(answer)] = torch.tensor([*self.prompt, *answer])
            labels[row, len(self.prompt) : len(self.prompt) + len(answer)] = torch.tensor(answer)
        return ids, labels


def words_loss(
    model: VideoLlavaForConditionalGeneration, sentences: Sentences, tutor: MotionTutor, clips: Tensor,
    maps: np.ndarray, texts: list[str],
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Losses of the motion maps and of the texts; clips [n * FRAMES, 3, SIDE, SIDE]."""
    core = model.model
    with torch.no_grad():
        features = core.video_tower(clips).last_hidden_state
    seen = core.multi_modal_projector(features).reshape(len(texts), TOKENS, WIDTH)
    ids, labels = sentences.encode(texts)
    words = model.get_input_embeddings()(ids)
    place = sentences.prompt.index(model.config.video_token_index)
    embeds = torch.cat([words[:, :place], seen, words[:, place + TOKENS :]], 1)
    start = len(sentences.prompt)
    out = core.language_model(inputs_embeds=embeds, output_hidden_states=True)
    places = out.hidden_states[2][:, place : place + TOKENS].reshape(len(clips), -1, WIDTH)[:, 1:]
    moves = map_loss(tutor(places), maps.reshape(-1, *maps.shape[2:]), GRID, 1 + len(WAYS))
    logits = model.lm_head(out.last_hidden_state[:, start - 1 : -1])
    return moves, nn.functional.cross_entropy(logits.transpose(1, 2), labels[:, start:], ignore_index=-100)


def train_words(
    model: VideoLlavaForConditionalGeneration, sentences: Sentences, pool: SpanPool, steps: int,
    rng: np.random.Generator, *, batch: int, report: int,
) -> None:  # fmt: skip
    """Projector and language model on spans, over a tower that no longer changes."""
    core, tutor = model.model, MotionTutor()
    trainer = Trainer([core.multi_modal_projector, core.language_model], [model.lm_head, tutor], steps, 2e-3)
    start = time.perf_counter()
    for step in range(steps):
        pictures, maps, texts = pool.batch(rng, batch)
        clips = normalised(pictures.reshape(-1, SIDE, SIDE, 3))
        moves, spoken = words_loss(model, sentences, tutor, clips, maps, texts)
        trainer.step(moves + spoken)
        if step % report == 0 or step + 1 == steps:
            spent = time.perf_counter() - start
            print(f"video words {step} {spent:.0f} s moves {moves.item():.3f} loss {spoken.item():.4f}", flush=True)


def write(model: VideoLlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Model (fp16 safetensors), config, generation config, tokenizer and image processor files."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    build_images().save_pretrained(folder)
    model.model.image_tower.load_state_dict(model.model.video_tower.state_dict())
    copy.deepcopy(model).half().save_pretrained(folder)


def train(
    folder: Path, pictures: PicturePool, spans: SpanPool, steps: tuple[int, int], seed: int, *, batch: tuple[int, int],
    report: int = 100,
) -> None:  # fmt: skip
    """Trains and writes everything.

    Args:
        folder: Where to write.
        pictures: Pictures of SIDE px with maps of GRID * CELLS, for the tower.
        spans: Spans of SIDE px, for the words.
        steps: Of the tower, then of the words.
        seed: Of weights and batches.
        batch: Pictures a step, then spans a step.
        report: Steps between lines of progress.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    tokenizer = build_tokenizer()
    model = build_model(tokenizer).train()
    whiten(model.model.video_tower.embeddings.patch_embedding, pictures.batch(rng, 600).pictures, seed)
    train_tower(model, pictures, steps[0], rng, batch=batch[0], report=report)
    write(model, tokenizer, folder)
    train_words(model, Sentences(tokenizer), spans, steps[1], rng, batch=batch[1], report=report)
    write(model, tokenizer, folder)
