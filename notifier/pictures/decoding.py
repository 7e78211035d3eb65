"""What is made of an uploaded picture: it is decoded, made smaller, turned upright and written anew.

Nothing of the file goes out as it came: no metadata (where a photo was taken, for one), and nothing but pixels. Its
header is read first, so what would take more memory than `MAX_PIXELS` do is refused before any of it is decoded.
"""

import io
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image, ImageCms, PngImagePlugin, UnidentifiedImageError
from PIL.Image import Transpose

from notifier.messages import pictures

#: A photo of a good camera. Decoded it takes 100 MB, and some more while it is made smaller.
MAX_PIXELS = 25_000_000
MAX_BYTES = 10_000_000
#: No others are tried: each format is code that reads what strangers send. SVG is a program.
FORMATS = ("JPEG", "PNG", "GIF")
#: A JPEG with a smaller picture or a map of depths behind it, as cameras and phones write it, is an MPO for Pillow. The
#: first picture is the photo.
PHOTOS = ("JPEG", "MPO")
#: The box of the small one that staff see in lists.
SMALL_BOX = (192, 144)
JPEG_QUALITY = 82
#: A larger PNG is written with 256 colours, or as JPEG where nothing shines through.
MAX_PNG_BYTES = 400_000
#: What a PNG may say beside its pixels, once it is unpacked. None of it is kept.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 1_000_000
#: What an honest file has a few of, or none, and what costs time for each that there is: a JPEG's scans, of which 42
#: bytes are 17 ms of work, its pieces of Exif, which Pillow joins one by one, and a PNG's profiles, which it unpacks.
_PARTS = (b"\xff\xda", b"Exif\0\0", b"iCCP")
#: Of each. By chance the first stands some 150 times in 10 MB of anything else, like the video behind a photo.
MAX_PARTS = 250
#: How a camera was held (Exif 2.3, tag 0x0112), and what turns the picture upright.
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
_ON_ITS_SIDE = (5, 6, 7, 8)
#: One picture at a time in each process: several at once would take several times the memory.
_turn = threading.Lock()


class BadPicture(Exception):
    """The file can't be used; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Decoded:
    data: bytes
    #: The small one, of the same kind.
    small: bytes
    #: "jpg" or "png".
    ending: str
    width: int
    height: int


def decode(file: BinaryIO) -> Decoded:
    """Raises `BadPicture`."""
    with _turn, _refusals():
        _refuse_large_file(file)
        _refuse_many_parts(file)
        with Image.open(file, formats=FORMATS) as opened:
            _refuse_large_picture(opened)
            is_drawn = opened.format not in PHOTOS
            image = _pixels(opened)
        ending, data = _written(image, is_drawn=is_drawn)
        width, height = image.size
        image.thumbnail(SMALL_BOX, Image.Resampling.LANCZOS)
        return Decoded(data=data, small=_encoded(image, ending), ending=ending, width=width, height=height)


@contextmanager
def _refusals() -> Iterator[None]:
    """Puts what Pillow says of a file into words for whoever uploads it."""
    try:
        yield
    except BadPicture:
        raise
    except Image.DecompressionBombError as error:
        raise BadPicture(_too_many_pixels()) from error
    except UnidentifiedImageError as error:
        raise BadPicture("This file can’t be used. Upload a JPEG, PNG or GIF picture.") from error
    except Exception as error:
        # A damaged file brings out SyntaxError, struct.error, OverflowError and whatever else a decoder stumbles over.
        raise BadPicture("This picture is damaged. Open it in a picture editor and save it again.") from error


def _refuse_large_file(file: BinaryIO) -> None:
    if file.seek(0, io.SEEK_END) > MAX_BYTES:
        raise BadPicture(f"The file is larger than {MAX_BYTES // 1_000_000} MB. Make the picture smaller first.")
    file.seek(0)


def _refuse_many_parts(file: BinaryIO) -> None:
    data = file.read()
    file.seek(0)
    if any(data.count(part) > MAX_PARTS for part in _PARTS):
        raise BadPicture("This picture has too many parts. Open it in a picture editor and save it again.")


def _refuse_large_picture(image: Image.Image) -> None:
    """By what the header says: nothing is decoded yet."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise BadPicture(_too_many_pixels(f" ({width:,} × {height:,})"))
    if image.format not in PHOTOS and getattr(image, "is_animated", False):
        raise BadPicture("This picture is animated, and many mail programs don’t show that. Upload a still one.")


def _too_many_pixels(size: str = "") -> str:
    return (
        f"The picture has too many pixels{size}: the limit is {MAX_PIXELS // 1_000_000} million. Make it smaller "
        f"first. An e-mail shows no more than {pictures.MAX_WIDTH:,} pixels across."
    )


def _pixels(opened: Image.Image) -> Image.Image:
    """The picture upright, as large as it is kept, with the colours as they look without the file's profile."""
    orientation = opened.getexif().get(_ORIENTATION)
    profile = opened.info.get("icc_profile")
    # Of a JPEG only as many pixels are decoded as are needed, whichever side will be its width.
    factor = min(1.0, pictures.MAX_WIDTH / min(opened.size))
    opened.draft(None, (math.ceil(opened.width * factor), math.ceil(opened.height * factor)))
    image = _plain(opened)
    box = (pictures.MAX_WIDTH, pictures.MAX_HEIGHT)
    image.thumbnail(box[::-1] if orientation in _ON_ITS_SIDE else box, Image.Resampling.LANCZOS)
    image = _in_srgb(image, profile)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    image.info = {}
    return image


def _plain(image: Image.Image) -> Image.Image:
    """In red, green and blue, with or without what shines through; or in the four colours of print."""
    if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode.startswith("I"):  # 16 bits of grey
        image = image.convert("I").point([value // 256 for value in range(65_536)], "L")
    return image if image.mode in ("RGB", "RGBA", "CMYK") else image.convert("RGB")


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile:
        # A profile that can't be read says nothing.
        with suppress(ImageCms.PyCMSError, OSError, ValueError):
            source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            image = ImageCms.profileToProfile(image, source, target, outputMode=mode) or image
    return image.convert(mode)


def _written(image: Image.Image, *, is_drawn: bool) -> tuple[str, bytes]:
    """Its ending and itself. What was drawn stays sharp as PNG, unless it is too large for that."""
    if image.mode != "RGBA" and not is_drawn:
        return "jpg", _encoded(image, "jpg")
    data = _encoded(image, "png")
    if len(data) <= MAX_PNG_BYTES:
        return "png", data
    if image.mode == "RGBA":
        return "png", _encoded(image.quantize(256, Image.Quantize.FASTOCTREE), "png")
    return "jpg", _encoded(image, "jpg")


def _encoded(image: Image.Image, ending: str) -> bytes:
    written = io.BytesIO()
    if ending == "jpg":
        image.save(written, "JPEG", quality=JPEG_QUALITY, optimize=True, progressive=True)
    else:
        image.save(written, "PNG", optimize=True)
    return written.getvalue()
