"""Speech previews through the official SDK (reference chapter 10)."""

import io
import wave

from tests.conformance.conftest import listening
from tests.conformance.flows import EMMA, got
from tests.conformance.official import Official


def test_a_preview_is_asked_for_until_it_is_complete(sdk: Official) -> None:
    """Its files come one after the other; a voice has to be there."""
    made = sdk.create_tts_audition({"text": "Hello. This is the new kettle.", "emotion": EMMA, "speed": 120})
    assert sdk.show_tts_audition_file(job_id=made.job_id).is_file_complete is False
    refused = sdk.refused.create_tts_audition({"text": "Hello.", "emotion": "none"})
    assert refused[1] == "MSS.20050005"
    assert sdk.refused.show_tts_audition_file(job_id="none")[1] == "MSS.20050013"


def test_a_preview_can_be_heard() -> None:
    """Its files are sound, about as long as the text takes to speak."""
    with listening(render=True) as tenant:
        sdk = tenant.sdk()
        job_id = sdk.create_tts_audition({"text": "Hello, this is the new kettle.", "emotion": EMMA}).job_id
        for _ in range(3000):
            tenant.pass_s(1)
            shown = sdk.show_tts_audition_file(job_id=job_id)
            if shown.is_file_complete:
                break
        (file,) = shown.files
        with wave.open(io.BytesIO(got(file.download_url))) as sound:
            assert 0.5 < sound.getnframes() / sound.getframerate() < 10
