"""`voice.train`: recordings into a training job for a voice, as a package or sentence by sentence, handed in for review."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field, model_validator

from orchestrator.errors import RetryClass
from orchestrator.metastudio import operations
from orchestrator.metastudio.operation import Operation
from orchestrator.steps.adoption import ADOPTIONS, Adopting, Adoption
from orchestrator.steps.base import Done, Found, Parameters, StepContext, StepError
from orchestrator.steps.parts import part_of
from orchestrator.steps.traces import Sent
from orchestrator.steps.voice_recordings import SENTENCES, Addresses, Letter, Package, Sentences, is_package
from orchestrator.steps.voice_wait import cancel_training, training_state

if TYPE_CHECKING:
    from orchestrator.metastudio.models.voice_modeling import (
        CreateTrainingBasicJobResponse,
        CreateTrainingJobReq,
    )

Edition = Literal["basic", "advanced", "premium"]

#: The service's words are others than those of its pages: MIDDLE is the advanced edition, ADVANCE the premium one.
_CREATE: Final[Mapping[Edition, "Operation[CreateTrainingJobReq, CreateTrainingBasicJobResponse]"]] = {
    "basic": operations.create_training_basic_job,
    "advanced": operations.create_training_middle_job,
    "premium": operations.create_training_advance_job,
}
#: Facts: the job, and the job whose files are all there.
_JOB, _UPLOADED = "job_id", "uploaded"


class VoiceTrainParams(Parameters):
    edition: Edition = Field(
        description="`basic`: 20 recorded sentences; `advanced`: 100; `premium`: one long recording"
    )
    voice_name: str = Field(min_length=1, description="the voice's name in the asset library")
    recordings: str = Field(
        min_length=1,
        description="a ZIP, or (`basic`, `advanced`) a folder with 0.wav and its text 0.txt, 1.wav and 1.txt, …, which are "
        "sent and compared sentence by sentence",
    )
    authorization_letter: str | None = Field(
        default=None, min_length=1, description="the speaker's signed consent: a file"
    )
    sex: Literal["FEMALE", "MALE"] | None = Field(default=None, description="default FEMALE")
    language: Literal["CN", "EN"] | None = Field(default=None, description="of the recordings; default CN")
    tag: Literal["ECOMMERCE", "NEWS", "MARKETING"] | None = Field(
        default=None, description="what the voice is for"
    )
    description: str | None = Field(default=None, description="shown in the asset library")
    phone: str | None = Field(default=None, description="of whom the provider may ask")
    dhtms_job_id: str | None = Field(default=None, description="the avatar's training job, if it has one")
    batch_name: str | None = Field(
        default=None, description="leave it to the step: it finds a lost job by a batch of its own"
    )

    @model_validator(mode="after")
    def _premium_is_packed(self) -> "VoiceTrainParams":
        if self.edition == "premium" and not is_package(self.recordings):
            raise ValueError(
                "the premium edition takes one long recording, in a ZIP: `recordings` has to end in .zip"
            )
        return self


class VoiceTrain(Adopting[VoiceTrainParams]):
    """Creates the job, sends the recordings, hands the job in. `voice.wait` waits for what follows.

    Sentence by sentence, each is compared with its text as soon as it is there; one that does not match fails the step.
    Record it anew and retry the run: it goes on there. Upload addresses are never written down: those that were lost are
    asked for again.
    """

    name = "voice.train"
    summary = "Train a voice from recordings"
    params = VoiceTrainParams
    outputs = frozenset({"job_id"})
    can_be_called_off = True
    started = "job_id"

    def calls(self, given: Mapping[str, Any]) -> Mapping[str, float]:
        """The create call of the edition, the submission, and a confirmation for each sentence."""
        edition = given.get("edition")
        create = _CREATE.get(edition, operations.create_training_basic_job)  # type: ignore[arg-type]  # not validated yet
        found = Counter({create.id: 1.0, operations.commit_voice_training_job.id: 1.0})
        recordings = given.get("recordings")
        if isinstance(recordings, str) and not is_package(recordings):
            found[operations.confirm_training_segment.id] = SENTENCES.get(str(edition), 0)
        return found

    def creating(self, params: VoiceTrainParams) -> tuple[Adoption, Sent]:
        """Reference 9.1, 9.2, 9.3."""
        create = _CREATE[params.edition]
        assert create.request is not None
        create_type = "PACKAGE" if is_package(params.recordings) else "SEGMENT"
        body = part_of(params, create.request).model_copy(update={"create_type": create_type})
        return ADOPTIONS[create.id], Sent(body)

    async def find(self, params: VoiceTrainParams, ctx: StepContext) -> Found | None:
        """The job, to go on with."""
        row, sent = self.creating(params)
        job_id = await row.find(self.name, sent, ctx)
        return None if job_id is None else Found(facts={_JOB: job_id})

    async def act(self, params: VoiceTrainParams, ctx: StepContext) -> Done:
        """Reference 9.1 to 9.3 (create), 9.9 (lost addresses), 9.11, 9.12 (sentences), 9.5 (submit)."""
        job_id = ctx.facts.get(_JOB)
        state = None if job_id is None else await training_state(ctx, job_id)
        if job_id is not None and state not in {None, "CREATING"}:  # handed in, and the answer was lost
            return Done({"job_id": job_id})
        if job_id is None or state is None or ctx.facts.get(_UPLOADED) != job_id:
            job_id = await self._send(params, None if state is None else job_id, ctx)
        commit = operations.commit_voice_training_job
        assert commit.request is not None
        await ctx.call(commit, path={"job_id": job_id}, body=commit.request())
        return Done({"job_id": job_id})

    async def _send(self, params: VoiceTrainParams, job_id: str | None, ctx: StepContext) -> str:
        """All files to a job: the one that is there already, or a new one, once all files are found to be here."""
        source = Package if is_package(params.recordings) else Sentences
        material = await source.prepare(params.recordings, params.edition, ctx)
        letter = await Letter.prepare(params.authorization_letter, ctx)
        if job_id is None:
            row, sent = self.creating(params)
            created = await ctx.create(_CREATE[params.edition], body=row.keyed(sent, ctx))
            if not created.job_id:
                raise StepError("The API gave the job no id.", code="BAD_ANSWER", retry=RetryClass.LATER)
            job_id = created.job_id
            await ctx.note({_JOB: job_id})
            addresses = Addresses.of_new(created)
            confirmed: frozenset[int] = frozenset()
        else:
            again = await ctx.call(operations.show_job_uploading_address, path={"job_id": job_id})
            addresses = Addresses.again(again)
            confirmed = await material.confirmed(job_id, ctx)
        await letter.send(addresses.letter, ctx)
        await material.send(job_id, addresses, confirmed, ctx)
        await ctx.note({_UPLOADED: job_id})
        return job_id

    async def cancel(self, params: VoiceTrainParams, ctx: StepContext, correlation: str) -> str:
        """As `cancel_training`."""
        del params
        return await cancel_training(ctx, correlation)
