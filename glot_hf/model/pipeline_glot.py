# Copyright 2026 The glot_hf authors. Licensed under the Apache License, Version 2.0.
"""The text-classification pipeline for heads that compare two texts."""

from typing import Any

from transformers import TextClassificationPipeline

from .decision_glot import at_threshold
from .encoding_glot import longest_text
from .finite_glot import require_finite


class GlotTextClassificationPipeline(TextClassificationPipeline):
    """
    [`~transformers.TextClassificationPipeline`] that encodes the two texts of a pair separately, as pair heads take
    them. The stock pipeline encodes them as one text, whatever the head. Each text is cut at what tokenizer and
    backbone take, unless `truncation=False`; `max_length` and other options of the tokenizer hold for both texts.

    The inputs of a pair head are `{"text": a, "text_pair": b}` or `(a, b)`, or lists of these; those of other heads
    are as in the stock pipeline. Cosine and regression heads give their score as it is.

    With `return_explanations=True` each answer has an `explanation`: the tokens of the text and their readout weights,
    which sum to one; of a pair, of both texts.

    Example:

    ```python
    >>> classify = pipeline(
    ...     "text-classification", model=model, tokenizer=tokenizer, pipeline_class=GlotTextClassificationPipeline
    ... )
    >>> classify({"text": "a man sleeps", "text_pair": "somebody is asleep"})
    {'label': 'LABEL_1', 'score': 0.93}
    ```
    """

    model: Any
    tokenizer: Any

    def check_model_type(self, supported_models: Any) -> None:
        """
        Take GLOT models, which the stock list, of the models of transformers itself, does not have.

        Raises:
            ValueError: this is no GLOT model.
        """
        if self.model.config.model_type != "glot":
            raise ValueError(f"GlotTextClassificationPipeline is for GLOT heads, not {type(self.model).__name__}")

    def _sanitize_parameters(self, return_explanations: bool = False, **kwargs) -> tuple[dict, dict, dict]:
        preprocess, forward, postprocess = super()._sanitize_parameters(**kwargs)
        return preprocess, forward | ({"return_explanations": True} if return_explanations else {}), postprocess

    def preprocess(self, inputs: Any, **tokenizer_kwargs) -> dict[str, Any]:
        """
        Tokenize a text, or the two texts of a pair one by one.

        Args:
            inputs: a text or a pair.

        Returns:
            `dict`: `input_ids` `(1, L)` and its companions; for pairs `input_ids_b` and `attention_mask_b` too. In
            batches, `input_ids_b` is padded with token 0 whatever the tokenizer pads with: its mask says so.

        Raises:
            ValueError: a pair for a head that takes one text, or the other way round.
        """
        tokenizer_kwargs.setdefault("truncation", True)  # where training cut, which the saved tokenizer knows
        backbone = self.model.base_model.backbone
        if tokenizer_kwargs["truncation"] and "max_length" not in tokenizer_kwargs and backbone is not None:
            tokenizer_kwargs["max_length"] = longest_text(self.tokenizer, backbone)
        pair = _as_pair(inputs)
        pair_mode = self.model.config.pair_mode
        if pair_mode is None:
            if pair is not None or "text_pair" in tokenizer_kwargs:
                raise ValueError(
                    f"this head takes one text, not {inputs!r}: for two, train one with a pair_mode; to have them as "
                    "one text, join them"
                )
            return super().preprocess(inputs, **tokenizer_kwargs)
        if pair is None or not all(isinstance(text, str) for text in pair) or "text_pair" in tokenizer_kwargs:
            raise ValueError(
                f'this head compares two texts (pair_mode={pair_mode!r}): pass {{"text": ..., "text_pair": ...}} or '
                f"(text, text_pair), or a list of these, not {inputs!r}"
            )
        first, second = (self.tokenizer(text, return_tensors="pt", **tokenizer_kwargs) for text in pair)
        return {**first, **{f"{name}_b": second[name] for name in ("input_ids", "attention_mask")}}

    def _forward(self, model_inputs: dict[str, Any], return_explanations: bool = False) -> Any:
        """
        Run the model, and where it is asked for its readout on each text.

        Raises:
            ValueError: the head has no readout weights.
        """
        output = super()._forward(model_inputs)
        if not return_explanations:
            return output
        result = {"logits": output.logits}
        for suffix in ("", "_b") if "input_ids_b" in model_inputs else ("",):
            names = ("input_ids", "attention_mask", "token_type_ids")
            inputs = {name: model_inputs[name + suffix] for name in names if name + suffix in model_inputs}
            weights = self.model.base_model(**inputs, output_readout_weights=True).readout_weights  # (B, L)
            if weights is None:
                raise ValueError("return_explanations shows readout weights, and this head has none: leave it out")
            valid = inputs["attention_mask"] != 0
            result |= {f"tokens{suffix}": inputs["input_ids"].masked_fill(~valid, -1), f"weights{suffix}": weights}
        return result

    def postprocess(
        self, model_outputs: Any, function_to_apply: Any = None, top_k: Any = 1, _legacy: bool = True
    ) -> Any:
        """
        The same as in the stock pipeline, except that answers must be numbers, and that where the head has a
        `decision_threshold`, the class that it decides for comes first.

        Raises:
            ValueError: the logits are not finite.
        """
        answers = self._answers(model_outputs, function_to_apply, top_k, _legacy)
        if "tokens" in model_outputs:
            explanation = self._readout(model_outputs, "")
            if "tokens_b" in model_outputs:
                explanation = {"text": explanation, "text_pair": self._readout(model_outputs, "_b")}
            for answer in answers if isinstance(answers, list) else [answers]:
                answer["explanation"] = explanation
        return answers

    def _readout(self, model_outputs: Any, suffix: str) -> list[dict[str, Any]]:
        ids, weights = (model_outputs[name + suffix][0] for name in ("tokens", "weights"))
        tokens = self.tokenizer.convert_ids_to_tokens(ids[ids >= 0].tolist())
        return [{"token": token, "weight": weight} for token, weight in zip(tokens, weights[ids >= 0].tolist())]

    def _answers(self, model_outputs: Any, function_to_apply: Any, top_k: Any, _legacy: bool) -> Any:
        logits, threshold = model_outputs["logits"], self.model.config.decision_threshold
        require_finite(self.model, logits)
        if threshold is None or (_legacy and top_k != 1):  # then all classes, in their own order
            return super().postprocess(model_outputs, function_to_apply, top_k, _legacy)
        every_class: Any = None  # is taken, though the stock pipeline declares a number
        answers: Any = super().postprocess(model_outputs, function_to_apply, every_class, False)
        decided = self.model.config.id2label[int(at_threshold(logits[0], threshold).argmax())]
        answers.sort(key=lambda answer: answer["label"] != decided)
        return answers[0] if _legacy else answers[:top_k]


def _as_pair(inputs: Any) -> tuple[Any, Any] | None:
    """Return the pair in `{"text": a, "text_pair": b}`, `(a, b)`, `[a, b]` or the stock `[[a, b]]`; else None."""
    if isinstance(inputs, dict):
        return None if inputs.get("text_pair") is None else (inputs.get("text"), inputs["text_pair"])
    if isinstance(inputs, (list, tuple)) and len(inputs) == 1:
        inputs = inputs[0]
    return tuple(inputs) if isinstance(inputs, (list, tuple)) and len(inputs) == 2 else None


__all__ = ["GlotTextClassificationPipeline"]
