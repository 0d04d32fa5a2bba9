"""Things in films: frame after frame in, and a film with boxes out. Reads and writes by PyAV, an extra."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image
from tsugiki.answers import Answers
from tsugiki.errors import DataError, OutputError, PluginError
from tsugiki.output import atomic_file

from ..detectors.box_drawing import draw_boxes

READ = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"})
WRITTEN = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}  # the container by the file's ending
# What encodes, the first that this FFmpeg was built with, and its settings.
ENCODERS = {
    "libx264": {"crf": "20", "preset": "veryfast"},
    "libopenh264": {},
    "mpeg4": {"q:v": "3"},
}
WEB_ENCODERS = {"libvpx-vp9": {"crf": "30", "b:v": "0", "deadline": "realtime", "cpu-used": "6"}, "libvpx": {}}
FINEST = 65535  # parts of a second that every encoder can tell apart
USUAL_RATE = 25  # frames a second, of a film that does not tell


@dataclass(frozen=True)
class Frame:
    """A picture of a film.

    Attributes:
        number: From 0.
        seconds: When it is shown.
        picture: Upright, in colour.
        time: When it is shown, in the film's own units.
    """

    number: int
    seconds: float
    picture: Image.Image
    time: int


@dataclass(frozen=True)
class Film:
    """A film that is being read, from `open_film`.

    Attributes:
        frames: One after the other, decoded as they are asked for.
        count: How many the file says there are; None where it does not.
        rate: Frames a second, the mean.
        unit: Seconds that one of `Frame.time` is.
    """

    frames: Iterator[Frame]
    count: int | None
    rate: Fraction
    unit: Fraction


def is_film(content: object) -> bool:
    """Whether an input of a command is a film, by the ending of its name."""
    return isinstance(content, Path) and content.suffix.lower() in READ


@contextlib.contextmanager
def open_film(path: str | Path) -> Iterator[Film]:
    """Read a film.

    Raises:
        PluginError: PyAV is not installed; says how to.
        DataError: It is none that FFmpeg reads, or, as its frames are asked for, it is damaged.
    """
    av = _av()
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{path} is no film that can be read: {_reason(error)}") from error
    with container:
        if not container.streams.video:
            raise DataError(f"{path} has sound and no pictures")
        stream = container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate or Fraction(USUAL_RATE)
        unit = Fraction(stream.time_base or 1 / Fraction(rate))
        yield Film(_frames(av, container, stream, path, unit, rate), stream.frames or None, Fraction(rate), unit)


def _frames(av: Any, container: Any, stream: Any, path: Any, unit: Fraction, rate: Any) -> Iterator[Frame]:
    decoded = container.decode(stream)
    last, number = None, 0
    while True:
        try:
            frame = next(decoded)
            picture = frame.to_image()
        except StopIteration:
            if number == 0:
                raise DataError(f"{path} is a film without a frame") from None
            return
        except (av.error.FFmpegError, OSError) as error:
            raise DataError(f"{path} is damaged behind frame {number}: {_reason(error)}") from error
        if turn := round(frame.rotation or 0) % 360:
            picture = picture.rotate(turn, expand=True)  # as it is to be shown; both count against the clock
        time = frame.pts if frame.pts is not None else round(number / rate / unit)
        time = time if last is None else max(time, last + 1)  # damaged films have two frames at one time
        yield Frame(number, float(time * unit), picture, time)
        last, number = time, number + 1


def detect_in_film(
    film: Film,
    detect: Callable[[Image.Image], Answers],
    target: str | Path | None = None,
    *,
    overwrite: bool = False,
) -> Generator[tuple[Frame, Answers], None, None]:
    """Find things in every frame; a frame is held as long as it is looked at.

    Args:
        film: From `open_film`.
        detect: Finds them in a picture.
        target: The film with boxes to write, without sound; it is there when the last frame is done, or not at all.
        overwrite: Replace a file that is there.

    Yields:
        Each frame and what is in it, best first.

    Raises:
        DataError: The film is damaged.
        OutputError: The film with boxes cannot be written.
    """
    with contextlib.ExitStack() as stack:
        writer = None
        if target is not None:
            partial = stack.enter_context(atomic_file(target, overwrite=overwrite))
            writer = stack.enter_context(_writing(film, partial, Path(target)))
        for frame in film.frames:
            answers = detect(frame.picture)
            if writer is not None:
                writer(frame, draw_boxes(frame.picture, answers))
            yield frame, answers


@contextlib.contextmanager
def _writing(film: Film, partial: Path, target: Path) -> Iterator[Callable[[Frame, Image.Image], None]]:
    """What adds a picture at the time of a frame to a film.

    Args:
        film: That which is copied.
        partial: Where to write.
        target: What it is going to be called.
    """
    av = _av()
    container = None
    stream: Any = None
    try:
        container = av.open(str(partial), "w", format=WRITTEN[target.suffix.lower()])

        def add(frame: Frame, picture: Image.Image) -> None:
            nonlocal stream
            if stream is None:
                stream = _stream(av, container, film, picture, target)
            even = Image.new("RGB", (stream.width, stream.height))
            even.paste(picture)
            shown = av.VideoFrame.from_image(even)
            shown.pts, shown.time_base = frame.time, film.unit
            _mux(av, container, stream, shown, target)

        yield add
        if stream is not None:
            _mux(av, container, stream, None, target)
    except av.error.FFmpegError as error:
        raise OutputError(f"cannot write {target}: {_reason(error)}") from error
    finally:
        if container is not None:
            with contextlib.suppress(av.error.FFmpegError, OSError):  # after a failure there is nothing to complete
                container.close()


def _stream(av: Any, container: Any, film: Film, picture: Image.Image, target: Path) -> Any:
    """A stream for pictures of this size; what encodes takes sides that are even."""
    encoders = WEB_ENCODERS if target.suffix.lower() == ".webm" else ENCODERS
    known = [name for name in encoders if _can_encode(av, name)]
    if not known:
        raise OutputError(f"cannot write {target}: the installed PyAV has none of {', '.join(encoders)}")
    stream = container.add_stream(known[0], rate=film.rate, options=dict(encoders[known[0]]))
    stream.width, stream.height = (side + side % 2 for side in picture.size)
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = film.unit if film.unit.denominator <= FINEST else Fraction(1, FINEST)
    return stream


def _mux(av: Any, container: Any, stream: Any, frame: Any, target: Path) -> None:
    try:
        for packet in stream.encode(frame):
            container.mux(packet)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise OutputError(f"cannot write {target}: {_reason(error)}") from error


def _can_encode(av: Any, name: str) -> bool:
    try:
        av.codec.Codec(name, "w")
    except ValueError:  # av.codec.codec.UnknownCodecError
        return False
    return True


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).split("\n")[0]


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise PluginError(
            "films need the package 'av'; install it with: pip install 'tsugiki-detection[video]'"
        ) from error
    return av
