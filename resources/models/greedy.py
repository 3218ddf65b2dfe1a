"""Greedy decoding with a confidence, for the captioners. Runs only inside hosts."""

from typing import Any


def greedy(
    model: Any, tokenizer: Any, embeds: Any, mask: Any, *, eos: int | list[int], max_new_tokens: int
) -> tuple[list[str], list[float]]:
    """Continue sequences of embeddings with the most likely tokens.

    Args:
        model: A transformers language model that generates.
        tokenizer: Its tokenizer.
        embeds: [n, length, width], padded on the left.
        mask: [n, length], 0 at the padding.
        eos: The token, or tokens, that end an answer.
        max_new_tokens: Maximum number of tokens in an answer.

    Returns:
        The answers, and for each the geometric mean probability of its tokens, including the final one.
    """
    import torch

    out = model.generate(
        inputs_embeds=embeds,
        attention_mask=mask,
        max_new_tokens=max_new_tokens,
        do_sample=False,
        num_beams=1,
        eos_token_id=eos,
        pad_token_id=tokenizer.pad_token_id,
        output_logits=True,
        return_dict_in_generate=True,
    )
    steps = len(out.logits)
    tokens = out.sequences[:, -steps:]
    ends = torch.isin(tokens, torch.tensor(eos, device=tokens.device))
    counted = (ends.cumsum(1) - ends.int()) == 0
    sums = torch.zeros(len(tokens), device=tokens.device)
    for step, logits in enumerate(out.logits):
        chosen = logits.float().log_softmax(-1).gather(1, tokens[:, step : step + 1])[:, 0]
        sums += chosen * counted[:, step]
    confidences = (sums / counted.sum(1)).exp().tolist()
    texts = tokenizer.batch_decode(torch.where(counted, tokens, tokenizer.pad_token_id), skip_special_tokens=True)
    return [text.strip() for text in texts], confidences
