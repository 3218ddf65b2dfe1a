"""What comes from outside stays data: files are decoded in the sandbox alone, and nothing that is loaded is code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for folder in ("vid_assets", "resources", "examples") for path in (ROOT / folder).rglob("*.py"))
# Modules whose loading runs what was stored.
CODE_FROM_DATA = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
# Calls that decode a file or bytes of a picture, a film or sound, and who may make them.
DECODERS = {"VideoCapture", "imread", "imreadmulti", "imdecode", "imdecodemulti", "createVideoCapture"}
IN_THE_SANDBOX = {"vid_assets/media/decode_pass.py", "vid_assets/media/cut.py", "vid_assets/media/proxy.py"}
# Write what this project renders; the one that reads opens what the project contains.
OF_OUR_OWN = {"vid_assets/synthetic/render.py", "vid_assets/synthetic/sound.py"}


def calls(path: Path):
    """Yield the dotted name and the node of every call of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def keywords(node: ast.Call) -> dict[str | None, str]:
    return {each.arg: ast.unparse(each.value) for each in node.keywords}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_loads_code_or_decodes_outside_the_sandbox(path):
    place = str(path.relative_to(ROOT))
    tree = ast.parse(path.read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & CODE_FROM_DATA
    for name, node in calls(path):
        last, given = name.rsplit(".", 1)[-1], keywords(node)
        assert last not in DECODERS, f"{name} in {place}"
        assert name not in {"eval", "exec", "os.system", "os.popen", "torch.hub.load", "yaml.load"}, (
            f"{name} in {place}"
        )
        assert given.get("shell", "False") == "False", f"{name} in {place}"
        assert given.get("allow_pickle", "False") == "False", f"{name} in {place}"
        assert given.get("trust_remote_code", "False") == "False", f"{name} in {place}"
        if name == "torch.load":
            assert given.get("weights_only") == "True", place
        if name == "av.open":
            assert place in IN_THE_SANDBOX | OF_OUR_OWN, place
        if name == "Image.open":
            # a still that the sandbox has made, as a JPEG and nothing else
            assert (place, given.get("formats")) == ("vid_assets/api.py", "['JPEG']")
        if name in {"wave.open", "soundfile.read", "sf.read", "torchaudio.load", "scipy.io.wavfile.read"}:
            raise AssertionError(f"{name} in {place}")


@pytest.mark.parametrize("path", sorted((ROOT / "resources/models").glob("*.py")), ids=lambda path: path.stem)
def test_checkpoints_are_data(path):
    """Every `from_pretrained` refuses pickles, code beside the weights, and the network."""
    for name, node in calls(path):
        if name.endswith(".from_pretrained"):
            text = ast.unparse(node)
            if "**ONLY_DATA" in text:
                continue
            assert "local_files_only=True" in text, text
            assert "trust_remote_code=False" in text, text
            assert "model" not in name.lower(), text


def test_what_only_data_means():
    from resources.models.checkpoints import ONLY_DATA

    assert ONLY_DATA == {"local_files_only": True, "use_safetensors": True, "trust_remote_code": False}


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def test_a_pickle_in_place_of_weights_runs_nothing(tmp_path):
    import torch
    from transformers import ViTConfig, ViTModel

    from resources.models.checkpoints import load_checkpoint

    marker = tmp_path / "ran"
    config = ViTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, image_size=16)
    config.save_pretrained(tmp_path)
    torch.save({"x": Planted(marker)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(Exception, match=r"safetensors|cannot be loaded"):
        load_checkpoint(ViTModel, tmp_path, precision="fp32", device="cpu", cache=tmp_path, name="planted")
    assert not marker.exists()


def test_old_weights_are_tensors_or_refused(tmp_path):
    import torch
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    from resources.catalog.rows import find
    from resources.models.emotions import EmotionHost

    marker = tmp_path / "ran"
    ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8, image_size=16
    ).save_pretrained(tmp_path)
    torch.save({"x": Planted(marker)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        EmotionHost(find("emotions", "cpu"), tmp_path, {}).open(ViTModel, ViTImageProcessor)
    assert not marker.exists()
