"""The word-level tokenizer that both tiny captioners share the recipe of."""

# ruff: noqa: TID253  nothing imports this file but training

import re
from collections.abc import Iterable

from transformers import PreTrainedTokenizerFast

SPECIAL = ("<pad>", "</s>", "<unk>")


def word_tokenizer(texts: Iterable[str], markers: tuple[str, ...]) -> PreTrainedTokenizerFast:
    """A tokenizer that knows the words of `texts`, puts ``</s>`` in front as OPT's does, and pads on the left.

    Args:
        texts: Everything that will be read or written.
        markers: Placeholder tokens, such as ``<image>``.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    words = sorted({word for text in texts for word in re.findall(r"\w+|[^\w\s]+", text)})
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *markers, *words])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    core.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", vocabulary["</s>"])])
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token="</s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        additional_special_tokens=list(markers),
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
