"""What `avatar.train` takes."""

from typing import Literal

from pydantic import Field

from orchestrator.metastudio.models.image_modeling import Create2dModelTrainingJobReq, VoiceProperties
from orchestrator.steps.base import Parameters
from orchestrator.steps.parts import part_of
from orchestrator.transfer.parts import MAX_PARTS


class AvatarTrainParams(Parameters):
    name: str = Field(min_length=1, description="the avatar's name in the asset library")
    video: str = Field(
        min_length=1, description="the filmed video: MP4, 1080p or 4K, 3 to 10 minutes, or the review fails"
    )
    parts: int | None = Field(
        default=None,
        ge=1,
        le=MAX_PARTS,
        description="parts that the video is sent in side by side; default: one, or more above `transfer.single_put_max_bytes`",
    )
    id_card_front: str | None = Field(
        default=None, min_length=1, description="picture; without it the review fails, except for NA users"
    )
    id_card_back: str | None = Field(default=None, min_length=1, description="as `id_card_front`")
    authorization_letter: str | None = Field(default=None, min_length=1, description="as `id_card_front`")
    cover: str | None = Field(default=None, min_length=1, description="the avatar's picture in the library")
    audio: str | None = Field(
        default=None, min_length=1, description="the sound in a file of its own; default: the video's"
    )
    action_video: str | None = Field(
        default=None, min_length=1, description="a second video, of actions for choreography; as `video`"
    )
    action_parts: int | None = Field(default=None, ge=1, le=MAX_PARTS, description="as `parts`")
    contact: str | None = Field(default=None, description="who is to be asked: phone number or mail address")
    is_background_replacement: bool | None = Field(
        default=None, description="true needs a video in front of a green screen; default true"
    )
    batch_name: str | None = Field(default=None, description="the list of jobs can be asked for one batch")
    tags: list[str] | None = Field(default=None, description="49 at most")
    model_version: Literal["V3", "V3.2"] | None = Field(default=None, description="default V3.2")
    is_flexus: bool | None = Field(default=None, description="the Flexus edition; default false")
    voice_properties: VoiceProperties | None = Field(
        default=None, description="what the voice of the film is"
    )
    supported_service: list[Literal["VIDEO_2D", "LIVE_2D", "CHAT_2D"]] | None = Field(
        default=None, description="default VIDEO_2D and LIVE_2D"
    )

    @property
    def job(self) -> Create2dModelTrainingJobReq:
        """What creates the job, but for the numbers of parts, which hang on the files."""
        request = part_of(self, Create2dModelTrainingJobReq)
        return request if self.audio is None else request.model_copy(update={"audio_source_type": "AUDIO"})
