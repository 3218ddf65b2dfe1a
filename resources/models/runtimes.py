"""What hosts of ordinary models have in common: ONNX sessions, and transformers classes at full precision."""

from pathlib import Path
from typing import Any

from resources.hosting.host import Host


class OnnxHost(Host):
    """A host whose weights are ONNX files, run by ONNX Runtime on the CPU."""

    def session(self, name: str) -> Any:
        """An inference session of one of the host's files."""
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        return ort.InferenceSession(str(Path(self.folder) / name), options, providers=["CPUExecutionProvider"])


class TransformersHost(Host):
    """A host whose weights are a checkpoint of the transformers library, in the precision that it was saved in."""

    def open(self, model_class: Any, processor_class: Any) -> tuple[Any, Any]:
        """Model and processor of the host's folder, ready for inference on the device that the machine has.

        Args:
            model_class: A class with ``from_pretrained``.
            processor_class: Likewise.
        """
        import torch

        from resources.models.checkpoints import pick_device

        torch.set_num_threads(self.threads)
        self.device = pick_device("auto") if self.spec.gpu_share else "cpu"
        model = model_class.from_pretrained(str(self.folder), dtype=torch.float32, local_files_only=True)
        processor = processor_class.from_pretrained(str(self.folder), local_files_only=True)
        return model.eval().to(self.device), processor
