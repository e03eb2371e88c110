"""Video scripts and the videos made from them (reference 5.1, 5.3)."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from orchestrator.metastudio.conditions.base import Unmet, holds_for

if TYPE_CHECKING:
    from orchestrator.metastudio.models.avatar_video import (
        CallBackConfig,
        Create2DDigitalHumanVideoReq,
        ShootScript,
        ShootScriptItem,
    )
    from orchestrator.metastudio.models.video_script import (
        CreateVideoScriptsReq,
        ShootScriptBasic,
        ShootScriptItemBasic,
        UpdateVideoScriptsReq,
    )

#: Lowest and highest average bitrate of an avatar video, in kbit/s.
AVATAR_BITRATE: Final = (1000, 8000)

#: What a video without a script has to bring itself.
_WITHOUT_SCRIPT: Final = ("shoot_scripts", "model_asset_id", "voice_config", "video_config")
#: What the service says of those that it has a code for.
_CODES: Final = {"model_asset_id": "MSS.20010096", "shoot_scripts": "MSS.20010027"}


@holds_for("CreateVideoScriptsReq", "UpdateVideoScriptsReq", "Create2DDigitalHumanVideoReq")
def scenes_are_numbered_once(
    request: "CreateVideoScriptsReq | UpdateVideoScriptsReq | Create2DDigitalHumanVideoReq",
) -> Iterator[Unmet]:
    """No two scenes have the same number. Tables 5-9, 5-75, 5-126."""
    scenes: Sequence[ShootScriptItem | ShootScriptItemBasic] = request.shoot_scripts or ()
    first_at: dict[int, int] = {}
    for index, scene in enumerate(scenes):
        if scene.sequence_no is None:
            continue
        first = first_at.setdefault(scene.sequence_no, index)
        if first != index:
            yield Unmet(
                ("shoot_scripts", index, "sequence_no"),
                f"sequence_no {scene.sequence_no} is taken by shoot_scripts[{first}]; each has to be unique",
            )


@holds_for("CreateVideoScriptsReq", "UpdateVideoScriptsReq")
def music_is_for_avatars(request: "CreateVideoScriptsReq | UpdateVideoScriptsReq") -> Iterator[Unmet]:
    """3D humans have no background music. Tables 5-3, 5-69."""
    if request.background_music_config is not None and request.model_asset_type == "HUMAN_MODEL_3D":
        yield Unmet(
            ("background_music_config",),
            "background_music_config is not for model_asset_type HUMAN_MODEL_3D, only for HUMAN_MODEL_2D",
        )


@holds_for("CreateVideoScriptsReq", "UpdateVideoScriptsReq")
def script_keeps_the_bitrate(request: "CreateVideoScriptsReq | UpdateVideoScriptsReq") -> Iterator[Unmet]:
    """An avatar's video has 1000 to 8000 kbit/s; 3D humans have a wider range. Tables 5-5, 5-43, 5-71."""
    if request.model_asset_type == "HUMAN_MODEL_2D" and request.video_config is not None:
        yield from _bitrate(request.video_config.bitrate)


@holds_for("Create2DDigitalHumanVideoReq")
def video_keeps_the_bitrate(request: "Create2DDigitalHumanVideoReq") -> Iterator[Unmet]:
    """An avatar's video has 1000 to 8000 kbit/s. Table 5-124. What a script outweighs isn't looked at."""
    if not request.script_id and request.video_config is not None:
        yield from _bitrate(request.video_config.bitrate)


@holds_for("ShootScript", "ShootScriptBasic")
def spoken_text_is_given(scene: "ShootScript | ShootScriptBasic") -> Iterator[Unmet]:
    """Speech from text, the default, needs a text. Tables 5-10, 5-127; MSS.20010086, MSS.20010112 of 11.2."""
    if scene.script_type == "AUDIO" or (scene.text_config is not None and scene.text_config.text):
        return
    what = "script_type TEXT, the default, needs text_config with a text that is not empty"
    if scene.text_config is None:
        yield Unmet(("text_config",), what, "MSS.20010086")
    else:
        yield Unmet(("text_config", "text"), what, "MSS.20010112")


@holds_for("Create2DDigitalHumanVideoReq")
def script_or_all_of_it(request: "Create2DDigitalHumanVideoReq") -> Iterator[Unmet]:
    """Only with a script may model, voice, video and scenes be left out. Table 5-122; MSS.20010027 of 11.2."""
    if request.script_id:
        return
    missing = [name for name in _WITHOUT_SCRIPT if not getattr(request, name)]
    for name in missing:
        what = f"{name} is needed without script_id; give script_id, or {', '.join(missing)}"
        yield Unmet((name,), what, _CODES.get(name, ""))


@holds_for("Create2DDigitalHumanVideoReq")
def recorded_speech_has_a_script(request: "Create2DDigitalHumanVideoReq") -> Iterator[Unmet]:
    """Recordings are uploaded to a script, so the video needs one. MSS.20010073 of 11.2."""
    if request.script_id:
        return
    for index, scene in enumerate(request.shoot_scripts or ()):
        if scene.shoot_script.script_type == "AUDIO":
            yield Unmet(
                ("shoot_scripts", index, "shoot_script", "script_type"),
                "script_type AUDIO needs script_id: create a video script and upload its audio first",
                "MSS.20010073",
            )


@holds_for("CallBackConfig")
def callback_has_its_key(config: "CallBackConfig") -> Iterator[Unmet]:
    """MSS_A signs with a key. Table 5-146."""
    if config.auth_type == "MSS_A" and not config.key:
        yield Unmet(("key",), "auth_type MSS_A needs key, which signs the callbacks")


def _bitrate(bitrate: int) -> Iterator[Unmet]:
    low, high = AVATAR_BITRATE
    if not low <= bitrate <= high:
        yield Unmet(
            ("video_config", "bitrate"), f"bitrate of an avatar video has to be {low} to {high} kbit/s"
        )
