"""With peft: LoRA on the backbone and the head beside it, and a head on a frozen backbone that LoRA has tuned."""

import pytest
import torch
from datasets import Dataset
from peft import (
    AutoPeftModelForSequenceClassification,
    LoraConfig,
    PeftModel,
    PromptTuningConfig,
    TaskType,
    get_peft_model,
)
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
    Trainer,
    TrainingArguments,
)

from glot_hf import GlotForSequenceClassification
from glot_hf.training.finetuning import lora_config, unfreeze_backbone
from glot_hf.training.trainer import HeadTrainer


SMALL = {"gnn_hidden_size": 8, "readout_hidden_size": 8, "tau": 0.3}
IDS = torch.randint(5, 99, (4, 6), generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 0]])
ROWS = Dataset.from_dict({"input_ids": IDS.tolist(), "attention_mask": MASK.tolist(), "labels": [0, 1, 1, 0]})


def logits(model):
    with torch.no_grad():
        return model.eval()(input_ids=IDS, attention_mask=MASK).logits


def train(model, folder, **options):
    arguments = TrainingArguments(
        str(folder),
        learning_rate=1e-2,
        per_device_train_batch_size=2,
        **{"max_steps": 3, "save_strategy": "no", "report_to": "none"} | options,
    )
    arguments.dataloader_pin_memory = False
    trainer = Trainer(model, arguments, train_dataset=ROWS)
    trainer.train()
    return trainer


def tensors(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


class TestLoraBesideTheHead:
    @pytest.fixture
    def tuned(self, model, tmp_path):
        model.save_pretrained(tmp_path / "head")
        model = GlotForSequenceClassification.from_pretrained(tmp_path / "head")
        tuned = get_peft_model(model, lora_config(4))
        train(tuned, tmp_path / "out")
        tuned.save_pretrained(tmp_path / "adapter")
        return tuned

    def test_trains_adapters_and_head_alone(self, model, tmp_path):
        tuned = get_peft_model(model, lora_config(4))
        before = tensors(tuned)
        train(tuned, tmp_path)
        names = changed(before, tensors(tuned))
        assert all(".lora_" in name or ".modules_to_save.default." in name for name in names)
        for part in (".lora_A.", ".lora_B.", "glot.head.modules_to_save.", "classifier.modules_to_save."):
            assert any(part in name for name in names), part
        assert not any("glot.head" in name and ".lora_" in name for name in before)

    @pytest.mark.parametrize("options", [{}, {"pair_mode": "cosine"}, {"pooling": "mean"}, {"input_norm": "standard"}])
    def test_every_trained_parameter_gets_a_gradient(self, tiny_llama, options):
        """What DistributedDataParallel asks for."""
        model = GlotForSequenceClassification.from_backbone(tiny_llama, **SMALL, **options)
        tuned = get_peft_model(model, lora_config(4)).train()
        second = {"input_ids_b": IDS, "attention_mask_b": MASK} if "pair_mode" in options else {}
        tuned(input_ids=IDS, attention_mask=MASK, labels=torch.tensor([0, 1, 1, 0]), **second).loss.backward()
        trained = {name: parameter for name, parameter in tuned.named_parameters() if parameter.requires_grad}
        assert any(".lora_B." in name for name in trained)
        assert [name for name, parameter in trained.items() if parameter.grad is None] == []

    def test_activation_checkpointing_changes_nothing(self, head_path, tmp_path):
        results = []
        for checkpointing in (False, True):
            tuned = get_peft_model(GlotForSequenceClassification.from_pretrained(head_path), lora_config(4))
            torch.manual_seed(0)
            for name, parameter in tuned.named_parameters():
                if ".lora_A." in name:
                    torch.nn.init.normal_(parameter)
            train(tuned, tmp_path, activation_checkpointing=checkpointing)
            results.append(tensors(tuned))
        for name in results[0]:
            torch.testing.assert_close(results[0][name], results[1][name], atol=1e-6, rtol=1e-5)

    def test_the_file_holds_adapters_and_head_alone(self, tuned, tmp_path):
        file = tmp_path / "adapter" / "adapter_model.safetensors"
        parts = ("lora_A", "lora_B", "glot.head.", "classifier.")
        assert all(any(part in name for part in parts) for name in load_file(file))
        trained = sum(parameter.numel() for parameter in tuned.parameters() if parameter.requires_grad)
        assert file.stat().st_size <= 4 * trained + 2**15

    def test_comes_back(self, tuned, tmp_path, backbone_path):
        expected = logits(tuned)
        automatic = AutoPeftModelForSequenceClassification.from_pretrained(tmp_path / "adapter")
        torch.testing.assert_close(logits(automatic), expected)
        base = GlotForSequenceClassification.from_backbone(backbone_path, num_labels=3, **SMALL)
        torch.testing.assert_close(logits(PeftModel.from_pretrained(base, tmp_path / "adapter")), expected)
        whole = AutoModelForSequenceClassification.from_pretrained(tmp_path / "adapter")
        assert type(whole) is GlotForSequenceClassification
        torch.testing.assert_close(logits(whole), expected)
        whole.save_pretrained(tmp_path / "again")
        again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "again")
        torch.testing.assert_close(logits(again), expected)

    def test_without_a_backbone_it_is_refused(self, tuned, tmp_path):
        with pytest.raises(ValueError, match="load it with its backbone"):
            AutoModelForSequenceClassification.from_pretrained(tmp_path / "adapter", load_backbone=False)
        tuned.save_pretrained(tmp_path / "head")
        with pytest.raises(ValueError, match="from a folder that does not hold both"):
            AutoModelForSequenceClassification.from_pretrained(tmp_path / "head")

    def test_merged_and_saved_whole(self, tuned, tmp_path):
        """Peft's own merge is the oracle."""
        expected = logits(tuned)
        merged = tuned.merge_and_unload()
        torch.testing.assert_close(logits(merged), expected, atol=1e-5, rtol=1e-5)
        with pytest.raises(ValueError, match="weights have changed"):  # what LoRA has learned
            merged.save_pretrained(tmp_path / "lost")
        merged.config.backbone_in_checkpoint = True
        merged.save_pretrained(tmp_path / "whole")
        loaded, information = AutoModelForSequenceClassification.from_pretrained(
            tmp_path / "whole", output_loading_info=True
        )
        assert not any(information.values())
        torch.testing.assert_close(logits(loaded), logits(merged))

    def test_the_model_inside_is_not_saved_without_them(self, tuned, tmp_path):
        with pytest.raises(ValueError, match="This model is inside a PeftModel"):
            tuned.get_base_model().save_pretrained(tmp_path / "lost")

    def test_the_trainer_does_not_publish_it_unmerged(self, tuned, tmp_path):
        arguments = TrainingArguments(str(tmp_path), hub_model_id="tester/head", report_to="none")
        with pytest.raises(ValueError, match="published merged.*merge_and_unload"):
            HeadTrainer(tuned, arguments).push_to_hub()

    def test_resumes(self, model, tmp_path):
        model.save_pretrained(tmp_path / "head")

        def run(folder, **options):
            tuned = get_peft_model(GlotForSequenceClassification.from_pretrained(tmp_path / "head"), lora_config(4))
            arguments = TrainingArguments(
                str(tmp_path / folder), max_steps=4, save_steps=2, report_to="none", learning_rate=1e-2
            )
            trainer = Trainer(tuned, arguments, train_dataset=ROWS)
            trainer.train(**options)
            return tensors(tuned)

        whole = run("whole")
        checkpoint = tmp_path / "whole" / "checkpoint-2"
        assert not (checkpoint / "model.safetensors").exists()
        resumed = run("resumed", resume_from_checkpoint=str(checkpoint))
        assert changed(whole, resumed) == set()


def test_full_finetuning_with_gradient_checkpointing(model, tmp_path):
    before = tensors(model)
    unfreeze_backbone(model)
    calls = []
    layers = next(module for module in model.glot.backbone.modules() if isinstance(module, torch.nn.ModuleList))
    next(layers[0].children()).register_forward_pre_hook(lambda *_: calls.append(1))
    train(model, tmp_path, activation_checkpointing=True, max_steps=2)
    assert len(calls) == 4  # once more for each backward pass
    names = changed(before, tensors(model))
    assert any(name.startswith("glot.backbone.") for name in names)
    assert any(name.startswith("glot.head.") for name in names)
    model.save_pretrained(tmp_path / "whole")
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "whole")
    torch.testing.assert_close(logits(loaded), logits(model))


def lora_tuned(backbone, target_modules="all-linear"):
    """LoRA with weights that are not zero, as if trained."""
    tuned = get_peft_model(backbone, LoraConfig(r=4, target_modules=target_modules))
    torch.manual_seed(1)
    for name, parameter in tuned.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(parameter)
    return tuned.eval()


class TestHeadOnATunedBackbone:
    @pytest.fixture
    def adapter_path(self, backbone_path, tmp_path):
        lora_tuned(AutoModel.from_pretrained(backbone_path)).save_pretrained(tmp_path / "adapter")
        return str(tmp_path / "adapter")

    def test_by_the_adapters_folder(self, adapter_path, backbone_path, tmp_path):
        model = GlotForSequenceClassification.from_backbone(adapter_path, **SMALL)
        tuned = PeftModel.from_pretrained(AutoModel.from_pretrained(backbone_path), adapter_path)
        with torch.no_grad():
            expected = tuned(input_ids=IDS, attention_mask=MASK).last_hidden_state[MASK.bool()]
            states = model.glot.backbone(input_ids=IDS, attention_mask=MASK).last_hidden_state[MASK.bool()]
        torch.testing.assert_close(states, expected)
        model.save_pretrained(tmp_path / "head")
        assert model.config.backbone_name_or_path == adapter_path
        loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "head")
        torch.testing.assert_close(logits(loaded), logits(model))
        plain = GlotForSequenceClassification.from_pretrained(tmp_path / "head", backbone=backbone_path)
        assert not torch.allclose(logits(plain), logits(model), atol=1e-3)

    def test_its_adapters_are_frozen(self, adapter_path, tmp_path):
        model = GlotForSequenceClassification.from_backbone(adapter_path, num_labels=2, **SMALL)
        before = tensors(model)
        train(model, tmp_path / "out")
        assert any("lora_" in name for name in before)
        assert all("backbone" not in name for name in changed(before, tensors(model)))
        assert changed(before, tensors(model))
        assert all(parameter.grad is None for parameter in model.glot.backbone.parameters())

    def test_a_live_peft_model(self, backbone_path, tmp_path):
        tuned = lora_tuned(AutoModel.from_pretrained(backbone_path))
        model = GlotForSequenceClassification.from_backbone(tuned, **SMALL)
        with pytest.raises(ValueError, match="set model.config.backbone_name_or_path to their folder"):
            model.save_pretrained(tmp_path / "head")
        tuned.save_pretrained(tmp_path / "adapter")
        model.config.backbone_name_or_path = str(tmp_path / "adapter")
        model.save_pretrained(tmp_path / "head")
        loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "head")
        torch.testing.assert_close(logits(loaded), logits(model))

    def test_a_live_peft_model_for_a_head_that_is_loaded(self, model, head_path, backbone_path, tmp_path):
        """Its recorded backbone is another one now, which cannot be found again."""
        tuned = lora_tuned(AutoModel.from_pretrained(backbone_path))
        loaded = GlotForSequenceClassification.from_pretrained(head_path, backbone=tuned)
        assert not torch.allclose(logits(loaded), logits(model), atol=1e-3)
        with pytest.raises(ValueError, match="The backbone has adapters"):
            loaded.save_pretrained(tmp_path / "lost")

    def test_in_the_checkpoint_it_is_refused_unmerged(self, backbone_path, tmp_path):
        tuned = lora_tuned(AutoModel.from_pretrained(backbone_path))
        model = GlotForSequenceClassification.from_backbone(tuned, backbone_in_checkpoint=True, **SMALL)
        with pytest.raises(ValueError, match="merge them into it"):
            model.save_pretrained(tmp_path / "whole")
        merged = GlotForSequenceClassification.from_backbone(
            tuned.merge_and_unload(), backbone_in_checkpoint=True, **SMALL
        )
        merged.save_pretrained(tmp_path / "whole")
        loaded = GlotForSequenceClassification.from_pretrained(tmp_path / "whole")
        torch.testing.assert_close(logits(loaded), logits(merged))

    def test_of_a_model_with_a_task_head(self, tiny_bert, tmp_path):
        """Its adapter's names have one part more than the encoder's."""
        BertForSequenceClassification(tiny_bert.config).save_pretrained(tmp_path / "backbone")
        classifier = BertForSequenceClassification.from_pretrained(tmp_path / "backbone")
        tuned = lora_tuned(classifier, ["query", "dense"])
        tuned.save_pretrained(tmp_path / "adapter")
        with torch.no_grad():
            expected = tuned(input_ids=IDS, attention_mask=MASK, output_hidden_states=True).hidden_states[-1]
            model = GlotForSequenceClassification.from_backbone(tuned, **SMALL)
            states = model.glot.backbone(input_ids=IDS, attention_mask=MASK).last_hidden_state
        torch.testing.assert_close(states, expected)
        by_name = GlotForSequenceClassification.from_backbone(tmp_path / "adapter", **SMALL)
        with torch.no_grad():
            states = by_name.glot.backbone(input_ids=IDS, attention_mask=MASK).last_hidden_state
        torch.testing.assert_close(states, expected)

    def test_prompts_are_refused(self, tiny_bert):
        prompts = PromptTuningConfig(task_type=TaskType.FEATURE_EXTRACTION, num_virtual_tokens=2)
        with pytest.raises(ValueError, match="cannot have a PROMPT_TUNING adapter: use one in its layers"):
            GlotForSequenceClassification.from_backbone(get_peft_model(tiny_bert, prompts), **SMALL)
