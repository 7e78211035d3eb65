import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageCms

from notifier.pictures import decoding
from notifier.pictures.decoding import BadPicture
from tests.support.factories import a_picture_file
from tests.support.servers.stack import PROJECT

#: What a worker may grow by, for the worst picture that is accepted.
MAX_MEGABYTES = 400
WORST = """
import resource, sys
from notifier.pictures import decoding
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decoding.decode(open(sys.argv[1], "rb"))
except decoding.BadPicture as refusal:
    print(refusal)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def a_png(width: int, height: int, *more: bytes, rows: bytes = b"") -> io.BytesIO:
    """One whose header says what it likes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    body = b"".join([header, *more, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + body)


# --- What comes out ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("size", "kept"),
    [((40, 30), (40, 30)), ((1200, 10), (1200, 10)), ((2400, 1000), (1200, 500)), ((10, 5000), (8, 4000))],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_it_is_made_as_small_as_an_e_mail_shows_it(kind: str, size: tuple[int, int], kept: tuple[int, int]) -> None:
    decoded = decoding.decode(a_picture_file(size=size, kind=kind))

    picture = opened(decoded.data)
    assert picture.size == (decoded.width, decoded.height) == kept
    assert picture.format == {"jpg": "JPEG", "png": "PNG"}[decoded.ending]
    assert (decoded.ending == "jpg") == (kind == "JPEG")
    small = opened(decoded.small)
    assert small.format == picture.format
    assert small.width <= decoding.SMALL_BOX[0]
    assert small.height <= decoding.SMALL_BOX[1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_turned_upright(orientation: int) -> None:
    """The upper left quarter is red, as a camera that was held so would have written it."""
    image = Image.new("RGB", (80, 40), "white")
    image.paste("red", (0, 0, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    held = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what undoes it
    file = io.BytesIO()
    (image.transpose(Image.Transpose(held[orientation])) if orientation in held else image).save(
        file, "JPEG", exif=exif, quality=95
    )

    decoded = decoding.decode(file)

    upright = opened(decoded.data)
    assert upright.size == (80, 40)
    red, green, blue = upright.getpixel((10, 10))  # type: ignore[misc]
    assert red > 200
    assert max(green, blue) < 60


def test_nothing_but_the_pixels_goes_out() -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(file, "JPEG", exif=exif, icc_profile=profile, comment=b"taken at home")

    data = decoding.decode(file).data

    assert b"taken at home" in file.getvalue()
    assert b"taken at home" not in data
    assert not {"exif", "icc_profile", "comment"} & opened(data).info.keys()


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "RGBA", "colour": (0, 0, 0, 0)},
        {"mode": "LA", "colour": (0, 0)},
        {"mode": "P", "transparency": 0, "colour": 0},
    ],
)
def test_what_shines_through_still_does(options: dict[str, Any]) -> None:
    picture = opened(decoding.decode(a_picture_file(**options)).data).convert("RGBA")

    assert picture.getpixel((1, 1))[3] == 0  # type: ignore[index]


@pytest.mark.parametrize("mode", ["1", "L", "P", "I;16", "CMYK", "RGB"])
def test_every_kind_of_pixels_is_read(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"

    assert decoding.decode(a_picture_file(mode=mode, colour=0, kind=kind)).width == 40


def test_a_photo_with_a_small_one_behind_it_is_a_photo() -> None:
    """As many cameras and phones write it."""
    file = io.BytesIO()
    Image.new("RGB", (160, 120), "red").save(file, "MPO", save_all=True, append_images=[Image.new("RGB", (20, 20))])

    decoded = decoding.decode(file)

    assert (decoded.ending, decoded.width, decoded.height) == ("jpg", 160, 120)
    red, *others = opened(decoded.data).getpixel((80, 60))  # type: ignore[misc]
    assert red > 200
    assert max(others) < 60


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_photo_that_was_saved_as_png_does_not_weigh_megabytes(mode: str) -> None:
    file = io.BytesIO()
    Image.effect_noise((1500, 1500), 80).convert(mode).save(file, "PNG")

    decoded = decoding.decode(file)

    assert len(decoded.data) < len(file.getvalue()) / 2
    assert decoded.ending == ("png" if mode == "RGBA" else "jpg")


# --- What is refused --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("file", "said"),
    [
        (io.BytesIO(b""), "can’t be used. Upload a JPEG, PNG or GIF"),
        (io.BytesIO(b"GIF89a"), "can’t be used|damaged"),
        (io.BytesIO(b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'), "can’t be used"),
        (a_picture_file(kind="BMP"), "can’t be used"),
        (a_picture_file(kind="WEBP"), "can’t be used"),
        (io.BytesIO(a_picture_file(size=(900, 900), kind="JPEG").getvalue()[:3000]), "damaged"),
        (a_png(300, 200, rows=b"\0"), "damaged"),
        (a_png(5001, 5000), r"too many pixels \(5,001 × 5,000\): the limit is 25 million"),
        (a_png(2**31 - 1, 2**31 - 1), "too many pixels"),
        (a_png(40, 30, chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 50_000_000))), "damaged"),
        (io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"\0" * (decoding.MAX_BYTES + 1)), "larger than 10 MB"),
    ],
    ids=["empty", "cut", "svg", "bmp", "webp", "half", "no-rows", "pixels", "bomb", "text-bomb", "bytes"],
)
def test_what_can_t_be_used_is_refused_in_words(file: io.BytesIO, said: str) -> None:
    with pytest.raises(BadPicture, match=said):
        decoding.decode(file)


def many_scans(number: int) -> io.BytesIO:
    """A progressive JPEG whose last scan is there so often: each is another pass over all pixels."""
    data = a_picture_file(kind="JPEG", progressive=True).getvalue()
    last = data[data.rfind(b"\xff\xda") : -2]
    return io.BytesIO(data[:-2] + last * number + data[-2:])


def many_exifs(number: int) -> io.BytesIO:
    data = a_picture_file(kind="JPEG").getvalue()
    return io.BytesIO(data[:2] + (b"\xff\xe1\0\x09Exif\0\0x") * number + data[2:])


def many_profiles(number: int) -> io.BytesIO:
    profile = chunk(b"iCCP", b"a\0\0" + zlib.compress(b"\0" * 900_000))
    return a_png(2, 1, profile * number, rows=b"\0" * 7)


@pytest.mark.parametrize("make", [many_scans, many_exifs, many_profiles])
def test_a_file_of_many_small_parts_is_refused_before_any_is_decoded(make: Callable[[int], io.BytesIO]) -> None:
    """Ten megabytes of scans took an hour."""
    decoding.decode(make(20))

    with pytest.raises(BadPicture, match="too many parts"):
        decoding.decode(make(decoding.MAX_PARTS + 1))


def test_an_animated_picture_is_refused() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])

    with pytest.raises(BadPicture, match="animated"):
        decoding.decode(file)


@pytest.mark.parametrize("kind", ["the largest", "a bomb"])
def test_no_picture_takes_more_memory_than_that(tmp_path: Any, kind: str) -> None:
    file = tmp_path / "picture.png"
    if kind == "a bomb":
        file.write_bytes(a_png(60_000, 60_000, rows=b"\0" * 50_000_000).getvalue())
    else:
        Image.new("RGBA", (5000, 5000), (1, 2, 3, 4)).save(file)
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}

    done = subprocess.run(
        [sys.executable, "-c", WORST, str(file)],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    *said, megabytes = done.stdout.splitlines()
    assert int(megabytes) < (MAX_MEGABYTES if kind == "the largest" else 50)
    assert bool(said) == (kind == "a bomb")
