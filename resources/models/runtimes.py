"""What hosts of ordinary models share: ONNX sessions, and transformers classes at full precision."""

from pathlib import Path
from typing import Any

from resources.hosting.host import Host


class OnnxHost(Host):
    """A host with ONNX files as weights, run by ONNX Runtime on the CPU."""

    def session(self, name: str) -> Any:
        """Return an inference session of one of the host's files."""
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return ort.InferenceSession(str(Path(self.folder) / name), options, providers=["CPUExecutionProvider"])


class TransformersHost(Host):
    """A host with a transformers checkpoint as weights, in its saved precision."""

    def open(self, model_class: Any, processor_class: Any) -> tuple[Any, Any]:
        """Return the model and processor of the host's folder, ready for inference on this machine's device.

        Args:
            model_class: A class with ``from_pretrained``.
            processor_class: A class with ``from_pretrained``.
        """
        import torch

        from resources.models.checkpoints import ONLY_DATA, form_of, pick_device

        torch.set_num_threads(self.threads)
        self.device = pick_device("auto") if self.spec.gpu_share else "cpu"
        options = form_of(Path(self.folder))
        model = model_class.from_pretrained(str(self.folder), dtype=torch.float32, **ONLY_DATA | options)
        processor = processor_class.from_pretrained(str(self.folder), local_files_only=True, trust_remote_code=False)
        return model.eval().to(self.device), processor
