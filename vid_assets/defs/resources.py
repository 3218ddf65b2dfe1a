"""The resources: settings, the warehouse, and one handle for each model. None of them loads anything here."""

import dagster as dg

from resources.models.ages import FaceAgeResource
from resources.models.blip2 import Blip2Resource
from resources.models.depth import DepthResource
from resources.models.detectors import DetectorResource
from resources.models.emotions import SpeechEmotionResource
from resources.models.face_mesh import FaceMeshResource
from resources.models.products import ProductFinderResource
from resources.models.rapidocr import TextReaderResource
from resources.models.segmenters import SegmenterResource
from resources.models.sounds import SoundTaggerResource
from resources.models.video_llava import VideoLlavaResource
from resources.models.whisper import WhisperResource
from resources.warehouse.resource import Warehouse
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
