"""What the decoder may open: containers that hold everything in one file, and codecs that occur in archives.

Decoding runs in a confined process. A codec is refused only if it cannot help, or if it serves a hostile file more than
an archive. `refusal` gives the reason for each codec.
"""

# Playlists, image sequences, devices and scripts are left out on purpose: they open other files.
_CONTAINERS = """
    mov matroska webm avi mpegts mpegtsraw mpeg mpegvideo m4v h261 h263 h264 hevc vvc obu av1 ivf cavsvideo dirac vc1
    dnxhd mjpeg mpjpeg flv live_flv asf asf_o ogg mxf gxf lxf dv gif apng rm ivr nut nsv nuv wtv ty flic film_cpk swf
    yuv4mpegpipe v210 v210x rawvideo pva pmp dhav mlv cine ser amv dxa smjpeg rpl vivo xmv roq 4xm mtv lmlm4 cdg apv
    wav w64 aiff au caf mp3 flac aac latm loas ac3 eac3 ac4 amr amrnb amrwb dts dtshd truehd mlp ape tak tta wv mpc mpc8
    shn voc iff oma aa aax aea dsf qcp gsm g722 g729 ilbc sbc aptx aptx_hd dss sox ircam nistsphere paf pvf avr sds wve
    xwma daud s337m spdif
"""
FORMATS = tuple(_CONTAINERS.split())

_PICTURES = """
    h264 hevc vvc av1 libdav1d apv vp3 vp4 vp5 vp6 vp6a vp6f vp7 vp8 vp9 libvpx libvpx-vp9 theora dirac cavs
    mpeg1video mpeg2video mpegvideo mpeg4 h261 h263 h263i h263p flv msmpeg4 msmpeg4v1 msmpeg4v2 wmv1 wmv2 wmv3 vc1
    wmv3image vc1image rv10 rv20 rv30 rv40 rv60 svq1 svq3 cinepak indeo2 indeo3 indeo4 indeo5 mimic amv mxpeg
    mjpeg mjpegb sp5x jpeg2000 jpegls prores prores_raw dnxhd dvvideo cfhd aic hq_hqa hqx cllc cljr pixlet media100
    speedhq mvdv notchlc hap dxv imm4 imm5 asv1 asv2 avrn avrp avui png apng gif bmp targa dpx
    ffv1 huffyuv ffvhuff hymt utvideo magicyuv lagarith vble loco ylc sheervideo zlib mszh fraps dxtory
    rawvideo v210 v210x v308 v408 v410 y41p yuv4 012v r210 r10k bitpacked cyuv qtrle 8bps rpza smc flic
    msrle msvideo1 mss1 mss2 camstudio camtasia tscc2 zmbv flashsv flashsv2 g2m fic rscc screenpresso tdsc vmnc
    aura aura2 truemotion1 truemotion2 truemotion2rt ultimotion vcr1 wnv1 xl qpeg nuv cdgraphics escape124 escape130
"""
_SOUNDS = """
    aac aac_latm mp1 mp1float mp2 mp2float mp3 mp3float mp3adu mp3adufloat mp3on4 mp3on4float ac3 eac3 dca truehd mlp
    opus libopus vorbis flac alac als ape tak tta wavpack shorten wmav1 wmav2 wmapro wmalossless wmavoice mpc7 mpc8
    amrnb amrwb libopencore_amrnb libopencore_amrwb cook sipr ralf real_144 real_288 atrac1 atrac3 atrac3al atrac3plus
    atrac3plusal qdm2 qdmc mace3 mace6 qcelp evrc gsm gsm_ms g722 g723_1 g726 g726le g728 g729 ilbc speex nellymoser
    truespeech twinvq metasound imc iac on2avc dolby_e s302m dst dsd_lsbf dsd_lsbf_planar dsd_msbf dsd_msbf_planar
    aptx aptx_hd sbc dss_sp dvaudio xma1 xma2 msnsiren apac
    adpcm_ms adpcm_ima_wav adpcm_ima_qt adpcm_ima_amv adpcm_ima_oki adpcm_ima_smjpeg adpcm_ct adpcm_swf adpcm_yamaha
    adpcm_sbpro_2 adpcm_sbpro_3 adpcm_sbpro_4 8svx_exp 8svx_fib
    pcm_s8 pcm_s8_planar pcm_u8 pcm_s16le pcm_s16le_planar pcm_s16be pcm_s16be_planar pcm_u16le pcm_u16be pcm_s24le
    pcm_s24le_planar pcm_s24be pcm_u24le pcm_u24be pcm_s32le pcm_s32le_planar pcm_s32be pcm_u32le pcm_u32be pcm_s64le
    pcm_s64be pcm_f16le pcm_f24le pcm_f32le pcm_f32be pcm_f64le pcm_f64be pcm_alaw pcm_mulaw pcm_bluray pcm_dvd pcm_lxf
    pcm_s24daud
"""
_TEXTS = """
    ass ssa srt subrip mov_text text webvtt sami realtext microdvd mpl2 pjs stl subviewer subviewer1 vplayer jacosub
    cc_dec dvbsub dvdsub pgssub xsub
"""
SUBTITLES = frozenset(_TEXTS.split())
CODECS = frozenset([*_PICTURES.split(), *_SOUNDS.split(), *SUBTITLES])

_REASONS = {
    "a still picture, which archives keep as an image file": """
        alias_pix brender_pix cri dds exr fits gem hdr lead pam pbm pcx pfm pgm pgmyuv pgx phm photocd pictor ppm psd
        ptx qdraw qoi sgi sunrast tiff txd vbn wbmp webp xbm xface xpm xwd iff sgirle targa_y216
    """,
    "text art, no footage": "ansi bintext idf tmv xbin",
    "of video games, where archives keep recordings of the screen": """
        4xm anm arbc argo bethsoftvid bfi binkvideo bmv_video c93 cdtoons cdxl dfa dsicinvideo dxa eacmv eamad eatgq
        eatgv eatqi gdv hnm4video idcinvideo interplayvideo ipu jv kmvc mdec mmvideo mobiclip motionpixels mvc1 mvc2
        paf_video rl2 roqvideo rtv1 sanm sga simbiosis_imx smackvid smvjpeg thp tiertexseqvideo vb vmdvideo vqavideo
        vqc xan_wc3 xan_wc4 yop msp2 cpia vmix
        adpcm_4xm adpcm_adx adpcm_afc adpcm_agm adpcm_aica adpcm_argo adpcm_dtk adpcm_ea adpcm_ea_maxis_xa adpcm_ea_r1
        adpcm_ea_r2 adpcm_ea_r3 adpcm_ea_xas adpcm_ima_acorn adpcm_ima_alp adpcm_ima_apc adpcm_ima_apm
        adpcm_ima_cunning adpcm_ima_dat4 adpcm_ima_dk3 adpcm_ima_dk4 adpcm_ima_ea_eacs adpcm_ima_ea_sead adpcm_ima_iss
        adpcm_ima_moflex adpcm_ima_mtf adpcm_ima_rad adpcm_ima_ssi adpcm_ima_ws adpcm_ima_xbox adpcm_mtaf adpcm_psx
        adpcm_sanyo adpcm_thp adpcm_thp_le adpcm_vima adpcm_xa adpcm_xmd adpcm_zork acelp.kelvin atrac9 binkaudio_dct
        binkaudio_rdft bmv_audio cbd2_dpcm derf_dpcm dsicinaudio fastaudio gremlin_dpcm hca hcom interplay_dpcm
        interplayacm paf_audio pcm_sga pcm_vidc roq_dpcm sdx2_dpcm smackaud sol_dpcm vmdaudio wady_dpcm ws_snd1
        xan_dpcm
    """,
    "too rare for what a hostile file could do with it": """
        aasc agm clearvideo fmvc frwu kgv1 lscr m101 msa1 mscc mts2 mv30 mvha mwsc pdv prosumer rasc scpr srgc wcmv
        zerocodec bonk dfpwm misc4 osq qoa rka siren wavarc
    """,
    "experimental": "snow avs",
    "no codec that a file can hold": "vnull anull wrapped_avframe wavesynth ftr comfortnoise",
    "a fixed-point twin of a codec that is decoded": "aac_fixed ac3_fixed",
}
_REFUSED = {name: reason for reason, names in _REASONS.items() for name in names.split()}
_HARDWARE = ("_cuvid", "_qsv", "_amf", "_v4l2m2m", "_videotoolbox", "_vaapi", "_mediacodec")


def refusal(codec: str) -> str:
    """Return why a codec is not decoded; empty if it is."""
    if codec in CODECS:
        return ""
    if codec.endswith(_HARDWARE):
        return "it needs hardware; the same codec is decoded in software"
    return f"it is {_REFUSED[codec]}" if codec in _REFUSED else "nothing is known of it"
