"""Videos: playable, of the asked size and codec, with the picture and the words in them."""

import io
import math
import struct
import threading
import wave
from pathlib import Path
from typing import Any

import pytest

from orchestrator.emulator.media import RenderError, RenderStoppedError
from orchestrator.emulator.recipe import Box, Overlay, Recipe, Scene, Subtitles
from orchestrator.emulator.render import render
from orchestrator.emulator.soundtrack import soundtrack
from orchestrator.emulator.speech import speech_of

av = pytest.importorskip("av")
Image = pytest.importorskip("PIL.Image")

BLUE = (32, 64, 128)


def scene(text: str = "Hello there. <break time='1s'/> This is the kettle.", **changes: Any) -> Scene:
    speech = speech_of(f"<speak>{text}</speak>")
    settings = {"background_color": "#204080", **changes}
    return Scene(duration_s=speech.duration_s, lines=speech.lines, **settings)


def recipe(*scenes: Scene, **changes: Any) -> Recipe:
    settings: dict[str, Any] = {
        "width": 1280,
        "height": 720,
        "codec": "H264",
        "bitrate_kbps": 2000,
        "max_s": 10.0,
        **changes,
    }
    settings.setdefault("canvas", (settings["width"], settings["height"]))
    return Recipe(scenes=scenes or (scene(),), **settings)


def made(tmp_path: Path, wanted: Recipe) -> Any:
    video, cover = tmp_path / "v", tmp_path / "c.png"
    rendering = render(wanted, video, cover, threading.Event())
    assert rendering.video.size == video.stat().st_size
    with Image.open(cover) as picture:
        assert picture.width == min(640, wanted.width)
    return av.open(str(video))


def pixels(container: Any) -> list[Any]:
    return [frame.to_image() for frame in container.decode(video=0)]


def first(tmp_path: Path, wanted: Recipe) -> Any:
    with made(tmp_path, wanted) as container:
        return next(container.decode(video=0)).to_image()


def near(pixel: tuple[int, ...], color: tuple[int, ...]) -> bool:
    return all(abs(a - b) < 24 for a, b in zip(pixel, color, strict=True))


@pytest.mark.parametrize(
    ("codec", "size", "names"),
    [("H264", (1920, 1080), ("h264", "aac")), ("VP8", (720, 1280), ("vp8", "opus"))],
)
def test_the_video_has_the_asked_size_codec_and_length(
    tmp_path: Path, codec: str, size: tuple[int, int], names: Any
) -> None:
    """25 frames a second for as long as the speech takes."""
    with made(tmp_path, recipe(codec=codec, width=size[0], height=size[1])) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, container.streams.audio[0].codec_context.name) == names
        assert (stream.width, stream.height, stream.codec_context.pix_fmt) == (*size, "yuv420p")
        assert container.duration / 1e6 == pytest.approx(3.4, abs=0.1)
        assert stream.average_rate == 25
        assert len(list(container.decode(video=0))) == 85


def test_an_mp4_can_be_played_while_it_loads(tmp_path: Path) -> None:
    """Its index comes before its data."""
    made(tmp_path, recipe()).close()
    data = (tmp_path / "v").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_the_background_fills_the_picture_and_the_presenter_moves(tmp_path: Path) -> None:
    """The uploaded picture is scaled to cover; frames differ; the caption changes."""
    background = tmp_path / "b.png"
    Image.new("RGB", (300, 300), (200, 30, 30)).save(background)
    with made(tmp_path, recipe(scene(background=(background,)))) as container:
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
        Overlay(Box(0.0, 0.0, 0.1, 0.1), picture=(picture,)),
        Overlay(Box(0.7, 0.1, 0.3, 0.1), text="SALE", color="#FFFFFF", text_size=0.1),
    )
    with made(tmp_path, recipe(scene(overlays=overlays))) as container:
        frame = pixels(container)[0]
    assert near(frame.getpixel((60, 30)), (0, 250, 0))
    assert frame.crop((896, 72, 1270, 144)).getextrema()[0][1] > 200


@pytest.mark.parametrize("data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n broken"])
def test_a_picture_that_cannot_be_read_is_an_error_of_ours(tmp_path: Path, data: bytes) -> None:
    """Whatever the bytes are."""
    background = tmp_path / "b.png"
    background.write_bytes(data)
    with pytest.raises(RenderError):
        render(recipe(scene(background=(background,))), tmp_path / "v", tmp_path / "c", threading.Event())


def test_a_rendering_stops_when_told(tmp_path: Path) -> None:
    """At the next frame."""
    stop = threading.Event()
    stop.set()
    with pytest.raises(RenderStoppedError):
        render(recipe(), tmp_path / "v", tmp_path / "c", stop)


def test_a_layer_lies_behind_or_before_the_presenter(tmp_path: Path) -> None:
    """By its index; what is half transparent lets it through."""
    green, red = tmp_path / "g.png", tmp_path / "r.png"
    Image.new("RGBA", (20, 20), (0, 250, 0, 255)).save(green)
    Image.new("RGBA", (20, 20), (250, 0, 0, 128)).save(red)
    at = Box(0.45, 0.8, 0.1, 0.1)
    behind = scene(overlays=(Overlay(at, picture=(green,)),))
    before = scene(overlays=(Overlay(at, picture=(green,), in_front=True),))
    glass = scene(overlays=(Overlay(at, picture=(red,), in_front=True),))
    seen = [first(tmp_path, recipe(one)).getpixel((640, 600)) for one in (behind, before, glass)]
    assert near(seen[0], (38, 66, 95))
    assert near(seen[1], (0, 250, 0))
    assert near(seen[2], (144, 33, 47))


def test_a_layer_without_a_size_is_as_large_as_it_is(tmp_path: Path) -> None:
    """In pixels of the layout; with one side given the other follows."""
    picture = tmp_path / "p.png"
    Image.new("RGB", (200, 100), (0, 250, 0)).save(picture)
    overlays = (
        Overlay(Box(0.1, 0.2), picture=(picture,)),
        Overlay(Box(0.7, 0.2, width=0.2), picture=(picture,)),
    )
    frame = first(tmp_path, recipe(scene(overlays=overlays), width=1920, height=1080))
    green = [
        (x, y)
        for x, y in ((385, 310), (400, 310), (1720, 400), (1720, 415))
        if near(frame.getpixel((x, y)), (0, 250, 0))
    ]
    assert green == [(385, 310), (1720, 400)]


def test_a_video_as_a_layer_shows_its_first_picture(tmp_path: Path) -> None:
    """A file in several parts is put together."""
    inner = tmp_path / "inner"
    render(recipe(scene(background_color="#00F000")), inner, tmp_path / "c.png", threading.Event())
    data = inner.read_bytes()
    parts = tmp_path / "1", tmp_path / "2"
    parts[0].write_bytes(data[:1000])
    parts[1].write_bytes(data[1000:])
    frame = first(tmp_path, recipe(scene(overlays=(Overlay(Box(0.0, 0.0, 0.2, 0.2), picture=parts),))))
    assert near(frame.getpixel((4, 4)), (0, 240, 0))


def test_a_crop_is_cut_out_of_the_layout(tmp_path: Path) -> None:
    """From its origin on, in the layout's pixels."""
    picture = tmp_path / "p.png"
    Image.new("RGB", (20, 20), (0, 250, 0)).save(picture)
    layer = Overlay(Box(600 / 1920, 300 / 1080, 100 / 1920, 100 / 1080), picture=(picture,))
    cut = recipe(scene(overlays=(layer,)), width=400, height=300, canvas=(1920, 1080), origin=(500, 200))
    frame = first(tmp_path, cut)
    assert frame.size == (400, 300)
    assert near(frame.getpixel((150, 150)), (0, 250, 0))
    assert near(frame.getpixel((50, 50)), BLUE)


def test_each_scene_has_its_own_picture_for_as_long_as_it_takes(tmp_path: Path) -> None:
    """One after the other; a video that would be too long is told faster, not cut."""
    scenes = scene("word " * 25, background_color="#F00000"), scene("word " * 25, background_color="#00F000")
    with made(tmp_path, recipe(*scenes, width=400, height=400, max_s=4.0)) as container:
        frames = pixels(container)
    assert len(frames) == 100
    assert [near(frames[n].getpixel((395, 395)), (240, 0, 0)) for n in (0, 49, 51, 99)] == [
        True,
        True,
        False,
        False,
    ]


def test_subtitles_are_where_they_are_wanted(tmp_path: Path) -> None:
    """In a box of 80 % of the width above the given corner."""
    wanted = recipe(subtitles=Subtitles(0.05, corner=(0.1, 0.5)))
    frame = first(tmp_path, wanted)
    assert not near(frame.getpixel((140, 350)), BLUE)
    assert near(frame.getpixel((110, 350)), BLUE)
    assert near(frame.getpixel((140, 690)), BLUE)


def test_the_mouth_moves_with_the_speech() -> None:
    """Shut in a pause, open in between."""
    sound = soundtrack(recipe(), 25)
    lines = sound.takes[0].lines
    pause = sound.mouth[round(lines[0].end_s * 25) + 1 : round(lines[1].start_s * 25) - 1]
    assert set(pause) == {0}
    assert set(sound.mouth[: round(lines[0].end_s * 25)]) == {0, 1, 2}


def test_recorded_speech_is_heard_as_long_as_it_is(tmp_path: Path) -> None:
    """The mouth follows it; what is no sound is an error of ours."""
    recording = tmp_path / "r"
    with wave.open(str(recording), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        loud = [round(12000 * math.sin(n / 5)) if n < 12000 else 0 for n in range(24000)]
        sound.writeframes(struct.pack(f"<{len(loud)}h", *loud))
    heard = soundtrack(recipe(Scene(1.0, recording=(recording,))), 25)
    assert heard.duration_s == pytest.approx(3.0, abs=0.05)
    assert set(heard.mouth[2:35]) == {2}
    assert set(heard.mouth[40:]) == {0}
    for data in (b"no sound", b""):
        recording.write_bytes(data)
        with pytest.raises(RenderError) as caught:
            soundtrack(recipe(Scene(1.0, recording=(recording,))), 25)
        assert caught.value.code == "MSS.45000008"


def test_music_plays_behind_the_voice(tmp_path: Path) -> None:
    """Again and again, at its volume; the mouth doesn't sing along."""
    music = tmp_path / "m.wav"
    with wave.open(str(music), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(struct.pack("<16000h", *([10000] * 16000)))
    silent = Scene(2.0)
    played = soundtrack(recipe(silent, music=(music,), music_volume=0.5), 25)
    assert struct.unpack("<h", played.samples[-2:])[0] == pytest.approx(1750, abs=5)
    assert set(played.mouth) == {0}
    assert not any(soundtrack(recipe(silent), 25).samples)


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
