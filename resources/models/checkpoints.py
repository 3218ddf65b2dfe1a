"""Loads transformers checkpoints in the requested precision. Quantized checkpoints are made once and kept.

Quantizing with bitsandbytes needs the whole checkpoint in memory and most of a minute for 2.7 billion parameters. Saved
quantized weights are mapped instead. They only cost disk reads at first access. Runs only inside hosts.
"""

import gc
import hashlib
import importlib.metadata
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any

from resources.errors import ModelUnavailable
from resources.fs import locked

PRECISIONS = ("int8", "nf4", "bf16", "fp16", "fp32")
QUANTIZED = ("int8", "nf4")
# A checkpoint is data: no pickles, no code of its own, no network.
ONLY_DATA = {"local_files_only": True, "use_safetensors": True, "trust_remote_code": False}
OLD_WEIGHTS = "pytorch_model.bin"
LIBRARIES = ("bitsandbytes", "torch", "transformers")


def form_of(folder: Path) -> dict[str, bool]:
    """Return how to read the weights of a checkpoint, for ``from_pretrained``.

    Some published checkpoints have no safetensors, only `OLD_WEIGHTS`, which is a pickle. PyTorch's restricted
    unpickler takes tensors from it, and refuses everything else.
    """
    is_old = (folder / OLD_WEIGHTS).exists() and not any(folder.glob("*.safetensors"))
    return {"use_safetensors": False, "weights_only": True} if is_old else {}


def prefetch(folder: Path) -> None:
    """Read the weights from storage into the page cache, front to back, while the caller imports and builds.

    Otherwise mapped weights are read page by page, in the order of first access.
    """

    def read() -> None:
        for path in sorted(folder.glob("*.safetensors")):
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)

    threading.Thread(target=read, name="prefetch", daemon=True).start()


def is_small(model: Any) -> bool:
    """Whether a first answer at load time costs less than it saves: below a hundred million parameters."""
    return sum(parameter.numel() for parameter in model.parameters()) < 100_000_000


def pick_device(wanted: str) -> str:
    """Return the device. ``auto`` is the first CUDA device, else the CPU; other values stay unchanged."""
    import torch

    if wanted != "auto":
        return wanted
    return "cuda:0" if torch.cuda.is_available() else "cpu"


def load_checkpoint(model_class: Any, folder: Path, *, precision: str, device: str, cache: Path, name: str) -> Any:
    """Load a checkpoint for inference.

    Args:
        model_class: A transformers class with ``from_pretrained``.
        folder: Config and safetensors files.
        precision: One of `PRECISIONS`.
        device: Such as ``cpu`` or ``cuda:0``.
        cache: Folder of quantized checkpoints.
        name: Model and revision, part of the cache key.

    Returns:
        The model, in evaluation mode.

    Raises:
        ModelUnavailable: The precision is unknown, or the folder has no such checkpoint.
    """
    if precision not in PRECISIONS:
        raise ModelUnavailable(name, f"unknown precision {precision!r}", f"use one of {', '.join(PRECISIONS)}")
    if not (folder / "config.json").is_file():
        raise ModelUnavailable(
            name, f"{folder / 'config.json'} is missing", "restore the folder, or fetch the model again"
        )
    kept = quantized_folder(cache, name, precision, device) if precision in QUANTIZED else folder
    prefetch(kept if kept.is_dir() else folder)
    if precision in QUANTIZED:
        folder = quantized_once(model_class, folder, precision=precision, device=device, cache=cache, name=name)
    try:
        model = model_class.from_pretrained(
            folder, dtype=compute_dtype(precision, device), device_map=device, **ONLY_DATA
        )
    except OSError as error:
        line = str(error).strip().splitlines()[0]
        raise ModelUnavailable(
            name, f"{folder} cannot be loaded: {line}", "restore the folder, or fetch it again"
        ) from error
    return model.eval()


def compute_dtype(precision: str, device: str) -> Any:
    """Return the type of everything that is not quantized: activations, embeddings and norms."""
    import torch

    named = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
    if precision in named:
        return named[precision]
    # CPUs without native half precision emulate it, several times slower than single precision.
    return torch.float16 if device.startswith("cuda") else torch.float32


def quantized_folder(cache: Path, name: str, precision: str, device: str) -> Path:
    """Return the quantized checkpoint's folder, by model, revision, precision, kind of device and library versions."""
    versions = " ".join(f"{library}=={importlib.metadata.version(library)}" for library in LIBRARIES)
    kind = device.partition(":")[0]
    digest = hashlib.sha256(f"{name} {precision} {kind} {versions}".encode()).hexdigest()[:12]
    readable = "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in name)
    return cache / f"{readable}-{precision}-{kind}-{digest}"


def quantized_once(model_class: Any, folder: Path, *, precision: str, device: str, cache: Path, name: str) -> Path:
    """Return the folder of the quantized checkpoint. Make it now if it does not exist.

    Any number of processes can call this at once: one quantizes, the others wait. The folder appears completely or not
    at all.
    """
    target = quantized_folder(cache, name, precision, device)
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / f".{target.name}.lock"):
        if target.is_dir():
            return target
        staged = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=cache))
        try:
            model = model_class.from_pretrained(
                folder,
                quantization_config=_recipe(precision, device),
                dtype=compute_dtype(precision, device),
                device_map=device,
                **ONLY_DATA,
            )
            model.save_pretrained(staged)
            # The caller maps what was saved; keeping both would double the memory.
            del model
            gc.collect()
            staged.rename(target)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return target


def _recipe(precision: str, device: str) -> Any:
    from transformers import BitsAndBytesConfig

    if precision == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=compute_dtype(precision, device)
    )
