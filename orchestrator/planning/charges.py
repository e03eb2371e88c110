"""What is paid for: which operation uses which of the platform's resource types, and how much of it.

The resource types are those of tables 11-16 to 11-18. The reference does not say which operation draws on which; the names
and units of the types do. One that an account has bought in another form (a package, Flexus) can be named in the price
file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.planning.speech import characters


@dataclass(frozen=True, slots=True)
class Charge:
    """Something that an account pays for."""

    name: str
    what: str
    #: Many of what is counted.
    unit: str
    #: The resource type that pays for it unless the price file names another.
    code: str
    #: How many a price is for.
    per: int = 1


_TENANT: Final = "hws.resource.type.metastudio."
VIDEO: Final = "video"
_CHARGES: Final = (
    Charge(VIDEO, "avatar video", "minutes", f"{_TENANT}modeling.avatarvideo.duration"),
    Charge("avatar", "avatar training", "images", f"{_TENANT}avatarmodeling.number"),
    Charge("avatar_flexus", "Flexus avatar training", "avatars", f"{_TENANT}modeling.flexus.avatar.number"),
    Charge("voice_basic", "voice training, basic edition", "voices", f"{_TENANT}modeling.voice.onebasic"),
    Charge(
        "voice_middle", "voice training, advanced edition", "voices", f"{_TENANT}modeling.voice.onemiddle"
    ),
    Charge("voice_advance", "voice training, premium edition", "voices", f"{_TENANT}modeling.voice.advance"),
    Charge("live", "livestreaming", "hours", f"{_TENANT}modeling.avatarlive.duration"),
    Charge("speech", "speech preview", "characters", f"{_TENANT}modeling.voice.synthetics", 10_000),
)
CHARGES: Final[Mapping[str, Charge]] = {charge.name: charge for charge in _CHARGES}
#: The operation with which a video is ordered.
VIDEO_OPERATION: Final = "create2_d_digital_human_video"
SCRIPT_OPERATION: Final = "create_video_scripts"
_TRAININGS: Final = {
    "create_training_basic_job": "voice_basic",
    "create_training_middle_job": "voice_middle",
    "create_training_advance_job": "voice_advance",
}
#: Operations whose amount a plan works out elsewhere, or cannot know.
_OPEN: Final = {"start_smart_live": "live"}


def charges_of(calls: Mapping[str, float], given: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """What the calls of one step are charged for besides videos: the charge's name and how many units, None: not known."""
    for operation, times in calls.items():
        if operation in _TRAININGS:
            yield _TRAININGS[operation], times
        elif operation == "create2d_model_training_job":
            yield ("avatar_flexus" if given.get("is_flexus") else "avatar"), times
        elif operation == "create_tts_audition":
            text = given.get("text")
            yield "speech", characters(text) * times if isinstance(text, str) else None
        elif operation in _OPEN:
            yield _OPEN[operation], None
