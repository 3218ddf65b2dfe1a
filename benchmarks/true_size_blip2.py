"""Writes a BLIP-2 of the true size (3.7 billion parameters, 7.5 GB in fp16) with random weights, without any download.

For measuring what loading costs: ``python -m benchmarks.true_size_blip2 OUT``. The folder is complete: config,
processor, tokenizer, sharded safetensors, checksums. What it says is noise.
"""

# ruff: noqa: TID253  nothing imports this file but measurements and tests

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    BlipImageProcessorPil,
    OPTConfig,
    PreTrainedTokenizerFast,
)

from resources.catalog.store import seal

IMAGE_TOKEN = 50265
BLOCK = 1 << 24


def opt_2_7b() -> Blip2Config:
    """The architecture of Salesforce/blip2-opt-2.7b."""
    text = OPTConfig(
        vocab_size=50304, hidden_size=2560, word_embed_proj_dim=2560, ffn_dim=10240, num_hidden_layers=32,
        num_attention_heads=32, max_position_embeddings=2048, pad_token_id=1, bos_token_id=2, eos_token_id=50118,
        dropout=0.0,
    )  # fmt: skip
    return Blip2Config(
        vision_config=Blip2VisionConfig().to_dict(), qformer_config=Blip2QFormerConfig().to_dict(),
        text_config=text.to_dict(), num_query_tokens=32, image_token_index=IMAGE_TOKEN,
    )  # fmt: skip


def byte_tokenizer(vocabulary: int, image_token: int) -> PreTrainedTokenizerFast:
    """A tokenizer of single bytes whose vocabulary is as long as the model's, so that every token can be read."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    names = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    names += [f"<{number}>" for number in range(len(names), vocabulary)]
    names[image_token] = "<image>"
    core = Tokenizer(models.BPE({name: number for number, name in enumerate(names)}, [], unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="</s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=["<image>"],
    )


def write_random(config: Blip2Config, folder: Path, shard_bytes: int = 2 << 30, seed: int = 0) -> int:
    """Writes config, processor and random fp16 weights, and seals the folder.

    Norms are ones and biases zeros, so that activations stay finite; all else is normal with deviation 0.02, cut from
    one random block: drawing every number would take minutes.

    Returns:
        Bytes of weights.
    """
    import torch
    from safetensors.numpy import save_file

    folder.mkdir(parents=True)
    with torch.device("meta"):
        model = Blip2ForConditionalGeneration(config)
    tied = set(model.all_tied_weights_keys)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items() if name not in tied}
    rng = np.random.default_rng(seed)
    block = (rng.standard_normal(BLOCK, dtype=np.float32) * 0.02).astype(np.float16)
    shards: list[list[str]] = [[]]
    room = shard_bytes
    for name, shape in shapes.items():
        size = 2 * int(np.prod(shape))
        if shards[-1] and size > room:
            shards.append([])
            room = shard_bytes
        shards[-1].append(name)
        room -= size
    places: dict[str, str] = {}
    for number, names in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file({name: _filled(name, shapes[name], block, rng) for name in names}, folder / file, {"format": "pt"})
        places |= dict.fromkeys(names, file)
    total = sum(2 * int(np.prod(shape)) for shape in shapes.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config.architectures, config.dtype = ["Blip2ForConditionalGeneration"], "float16"
    config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    parts: Any = config  # its parts have no types of their own
    side = parts.vision_config.image_size
    images = BlipImageProcessorPil(size={"height": side, "width": side})
    tokenizer = byte_tokenizer(parts.text_config.vocab_size, parts.image_token_index)
    Blip2Processor(images, tokenizer, num_query_tokens=config.num_query_tokens).save_pretrained(folder)
    seal(folder)
    return total


def _filled(name: str, shape: tuple[int, ...], block: NDArray, rng: np.random.Generator) -> NDArray[np.float16]:
    if "norm" in name.lower() and name.endswith("weight"):
        return np.ones(shape, np.float16)
    if name.endswith("bias"):
        return np.zeros(shape, np.float16)
    values = np.empty(int(np.prod(shape)), np.float16)
    for start in range(0, len(values), BLOCK // 2):
        part = values[start : start + BLOCK // 2]
        offset = int(rng.integers(BLOCK - len(part) + 1))
        part[:] = block[offset : offset + len(part)]
    return values.reshape(shape)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write; must not exist")
    out = parser.parse_args().out
    start = time.perf_counter()
    size = write_random(opt_2_7b(), out)
    print(f"{out}: {size / 1e9:.2f} GB in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
