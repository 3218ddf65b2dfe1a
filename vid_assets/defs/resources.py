"""The resources: settings, the warehouse, and one handle for each model. None of them loads anything here."""

import dagster as dg

from resources.blip2 import Blip2Resource
from resources.depth import DepthResource
from resources.detector import DetectorResource
from resources.face_age import FaceAgeResource
from resources.face_mesh import FaceMeshResource
from resources.product_finder import ProductFinderResource
from resources.segmenter import SegmenterResource
from resources.sound_tagger import SoundTaggerResource
from resources.speech_emotion import SpeechEmotionResource
from resources.text_reader import TextReaderResource
from resources.video_llava import VideoLlavaResource
from resources.warehouse import Warehouse
from resources.whisper import WhisperResource
from vid_assets.settings import Settings, configured, setting

defs = dg.Definitions(
    resources={
        "settings": Settings(
            archive=configured("VID_ARCHIVE"),
            scratch=configured("VID_SCRATCH"),
            scratch_gb=float(setting("VID_SCRATCH_GB")),
            reports=configured("VID_REPORTS"),
            disabled=configured("VID_DISABLED"),
        ),
        "warehouse": Warehouse(path=configured("VID_WAREHOUSE")),
        "blip2": Blip2Resource(),
        "depth": DepthResource(),
        "detector": DetectorResource(),
        "face_age": FaceAgeResource(),
        "face_mesh": FaceMeshResource(),
        "product_finder": ProductFinderResource(),
        "segmenter": SegmenterResource(),
        "sound_tagger": SoundTaggerResource(),
        "speech_emotion": SpeechEmotionResource(),
        "text_reader": TextReaderResource(),
        "video_llava": VideoLlavaResource(),
        "whisper": WhisperResource(),
    }
)
