"""Videos: playable, of the asked size and codec, with the picture and the words in them."""

import io
import threading
from pathlib import Path
from typing import Any

import pytest

from orchestrator.emulator.media import RenderError, RenderStoppedError
from orchestrator.emulator.recipe import Box, Overlay, Recipe, captions, plain_text, speech_s
from orchestrator.emulator.render import render

av = pytest.importorskip("av")
Image = pytest.importorskip("PIL.Image")


def recipe(**changes: Any) -> Recipe:
    settings: dict[str, Any] = {
        "width": 1280,
        "height": 720,
        "codec": "H264",
        "bitrate_kbps": 2000,
        "captions": ("Hello there.", "This is the kettle."),
        "duration_s": 2.0,
        "background": None,
        "background_color": "#204080",
        "presenter": Box(0.35, 0.25, 0.3, 0.75),
        **changes,
    }
    return Recipe(**settings)


def made(tmp_path: Path, wanted: Recipe) -> Any:
    video, cover = tmp_path / "v", tmp_path / "c.png"
    rendering = render(wanted, video, cover, threading.Event())
    assert rendering.video.size == video.stat().st_size
    with Image.open(cover) as picture:
        assert picture.width == min(640, wanted.width)
    return av.open(str(video))


def pixels(container: Any) -> list[Any]:
    return [frame.to_image() for frame in container.decode(video=0)]


def near(pixel: tuple[int, ...], color: tuple[int, ...]) -> bool:
    return all(abs(a - b) < 24 for a, b in zip(pixel, color, strict=True))


@pytest.mark.parametrize(
    ("codec", "size", "names"),
    [("H264", (1920, 1080), ("h264", "aac")), ("VP8", (720, 1280), ("vp8", "opus"))],
)
def test_the_video_has_the_asked_size_codec_and_length(
    tmp_path: Path, codec: str, size: tuple[int, int], names: Any
) -> None:
    """25 frames a second for as long as asked, with a silent sound track."""
    with made(tmp_path, recipe(codec=codec, width=size[0], height=size[1])) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, container.streams.audio[0].codec_context.name) == names
        assert (stream.width, stream.height, stream.codec_context.pix_fmt) == (*size, "yuv420p")
        assert container.duration / 1e6 == pytest.approx(2.0, abs=0.1)
        assert len(list(container.decode(video=0))) == 50


def test_an_mp4_can_be_played_while_it_loads(tmp_path: Path) -> None:
    """Its index comes before its data."""
    made(tmp_path, recipe()).close()
    data = (tmp_path / "v").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_the_background_fills_the_picture_and_the_presenter_moves(tmp_path: Path) -> None:
    """The uploaded picture is scaled to cover; frames differ; the caption changes."""
    background = tmp_path / "b.png"
    Image.new("RGB", (300, 300), (200, 30, 30)).save(background)
    with made(tmp_path, recipe(background=background)) as container:
        frames = pixels(container)
    corners = [(5, 5), (1270, 5), (5, 560)]
    assert all(near(frames[10].getpixel(at), (200, 30, 30)) for at in corners)
    assert not near(frames[10].getpixel((640, 300)), (200, 30, 30))
    assert frames[0].tobytes() != frames[6].tobytes()
    box = (60, 600, 1220, 690)
    assert frames[0].crop(box).tobytes() != frames[-1].crop(box).tobytes()


def test_overlays_are_painted(tmp_path: Path) -> None:
    """A picture and a line of text where they were asked for."""
    picture = tmp_path / "p.png"
    Image.new("RGBA", (20, 20), (0, 250, 0, 255)).save(picture)
    overlays = (
        Overlay(Box(0.0, 0.0, 0.1, 0.1), picture=picture),
        Overlay(Box(0.7, 0.1, 0.3, 0.1), text="SALE", color="#FFFFFF", text_size=0.1),
    )
    with made(tmp_path, recipe(overlays=overlays)) as container:
        frame = pixels(container)[0]
    assert near(frame.getpixel((60, 30)), (0, 250, 0))
    assert frame.crop((896, 72, 1270, 144)).getextrema()[0][1] > 200


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n broken"])
def test_a_picture_that_cannot_be_read_is_an_error_of_ours(tmp_path: Path, data: bytes) -> None:
    """Whatever the bytes are."""
    background = tmp_path / "b.png"
    background.write_bytes(data)
    with pytest.raises(RenderError):
        render(recipe(background=background), tmp_path / "v", tmp_path / "c", threading.Event())


def test_a_rendering_stops_when_told(tmp_path: Path) -> None:
    """At the next frame."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(RenderStoppedError):
        render(recipe(), tmp_path / "v", tmp_path / "c", stop)


def test_speech_takes_as_long_as_its_words() -> None:
    """Tags aren't spoken, ideographs count one by one, nothing is shorter than two seconds."""
    assert plain_text('<speak>Hello <break time="2s"/>you &amp; me</speak>') == "Hello you & me"
    assert speech_s(["word " * 25]) == 10.0
    assert speech_s(["\u4f60\u597d" * 9]) == 4.0
    assert speech_s([""]) == 2.0


def test_captions_hold_all_the_words() -> None:
    """In their order, each short enough for the screen, however long a word is."""
    text = " ".join(f"word{n}" for n in range(100))
    assert " ".join(captions([text])) == text
    pieces = captions(["x" * 500])
    assert "".join(pieces) == "x" * 500
    assert max(map(len, [*pieces, *captions([text])])) <= 84
    assert captions([]) == ("",)


async def test_a_job_makes_a_video_that_can_be_downloaded(connect: Any) -> None:
    """From the uploaded picture to a playable file behind a presigned URL."""
    tenant = await connect(render=True)
    png = io.BytesIO()
    Image.new("RGB", (640, 360), (10, 120, 30)).save(png, "PNG")
    job_id = await video(tenant, await tenant.uploaded(png.getvalue()))
    job = await tenant.ended(job_id)
    assert (job["state"], job["duration"]) == ("SUCCEED", 2.0)
    output = await tenant.ok("GET", f"/digital-assets/{job['output_asset_config']['asset_id']}")
    main = next(file for file in output["files"] if file["asset_file_category"] == "MAIN")
    async with tenant.session.get(main["download_url"]) as answer:
        data = await answer.read()
    assert len(data) == main["file_size"]
    with av.open(io.BytesIO(data)) as container:
        frame = next(container.decode(video=0)).to_image()
    assert frame.size == (1280, 720)
    assert near(frame.getpixel((10, 10)), (10, 120, 30))


async def test_a_picture_that_is_none_fails_the_job(connect: Any) -> None:
    """FAILED with MSS.45000014."""
    tenant = await connect(render=True)
    job = await tenant.ended(await video(tenant, await tenant.uploaded(b"no picture")))
    assert (job["state"], job["error_info"]["error_code"]) == ("FAILED", "MSS.45000014")


async def test_a_rendering_goes_on_after_a_restart_and_lost_files_come_back(
    connect: Any, tmp_path: Path
) -> None:
    """A job that was at work ends; a video that was lost from storage is made again."""
    first = await connect(render=True, data_dir=tmp_path)
    png = io.BytesIO()
    Image.new("RGB", (64, 36)).save(png, "PNG")
    job_id = await video(first, await first.uploaded(png.getvalue()))
    await first.control("POST", "advance", {"seconds": 1})
    await first.server.stop()
    second = await connect(render=True, data_dir=tmp_path)
    job = await second.ended(job_id)
    assert job["state"] == "SUCCEED"
    await second.server.stop()
    for path in (tmp_path / "objects").glob("*/1-*"):
        if b"ftyp" in path.read_bytes()[:16]:
            path.unlink()
    third = await connect(render=True, data_dir=tmp_path)
    output = await third.ok("GET", f"/digital-assets/{job['output_asset_config']['asset_id']}")
    url = next(file["download_url"] for file in output["files"] if file["asset_file_category"] == "MAIN")
    for _ in range(5000):
        async with third.session.get(url) as answer:
            if answer.status == 200:
                assert b"ftyp" in (await answer.read())[:16]
                return
    pytest.fail("the video doesn't come back")


async def video(tenant: Any, asset_id: str) -> str:
    background = [{"background_type": "IMAGE", "background_asset_id": asset_id}]
    script = {
        "script_name": "Kettle",
        "model_asset_id": "0c7798664ee7178b3dba3bbef57c32e7",
        "video_config": {"codec": "H264", "bitrate": 2000, "width": 1280, "height": 720},
        "shoot_scripts": [
            {"shoot_script": {"text_config": {"text": "Hello"}, "background_config": background}}
        ],
    }
    script_id = (await tenant.ok("POST", "/digital-human-video-scripts", script))["script_id"]
    return str((await tenant.ok("POST", "/2d-digital-human-videos", {"script_id": script_id}))["job_id"])
