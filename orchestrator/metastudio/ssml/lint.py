"""The rules for speech: which tag where, with what, how much, and what the video and the voice make of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.domain.nearest import did_you_mean
from orchestrator.metastudio.ssml import attributes
from orchestrator.metastudio.ssml.duration import seconds
from orchestrator.metastudio.ssml.grammar import VIDEO_TAGS, Tag
from orchestrator.metastudio.ssml.problems import Code, EnoughError, Notes, Problem, Severity, SsmlError
from orchestrator.metastudio.ssml.pronunciation import doubt, language_of
from orchestrator.metastudio.ssml.scan import Text, Value, short
from orchestrator.metastudio.ssml.tags import ROOT, SPOKEN_LIMIT, TAGS
from orchestrator.metastudio.ssml.tree import Document, Element, read

if TYPE_CHECKING:  # the models cost more to load than all of this
    from orchestrator.metastudio.models.digital_asset import VoiceCapability, VoiceCapabilityRead

    Voice: TypeAlias = VoiceCapability | VoiceCapabilityRead


@dataclass(frozen=True, slots=True)
class Speech:
    """A text that was read: what is spoken of it, and what is wrong with it."""

    #: The text without its tags, entities resolved.
    spoken: str
    #: In the order of the text.
    problems: tuple[Problem, ...]
    #: Estimated seconds at normal speed: speaking, and the pauses that have a length.
    speaking_s: float
    pauses_s: float

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that make the text unfit to be sent."""
        return tuple(one for one in self.problems if one.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems with which the text can be sent."""
        return tuple(one for one in self.problems if one.severity is Severity.WARNING)

    def duration_s(self, speed: int = 100) -> float:
        """About how long it takes to speak, in seconds; `speed` in percent as `voice_config.speed` has it."""
        return self.speaking_s * 100 / speed + self.pauses_s


def lint(text: str, *, voice: "Voice | None" = None, video: bool = False) -> Speech:
    """Reads `text`, plain or SSML, and finds everything that is wrong with it; raises nothing.

    With a `voice` (the `voice_capability` of its asset details) also the tags that it does not support, for a `video`
    also those that do nothing there. Reference 11.7, Table 11-3.
    """
    notes = Notes(text)
    document = Document(marked_up=False, children=[])
    try:
        document = read(text, notes)
        _Lint(notes, voice, video=video).document(document)
    except EnoughError:
        pass  # a note says that there is more
    speaking_s, pauses_s = seconds(document.children)
    spoken = "".join(part.text for part in _texts(document.children))
    return Speech(spoken, notes.in_order(), speaking_s, pauses_s)


def check(text: str, *, voice: "Voice | None" = None, video: bool = False) -> Speech:
    """As `lint`, but raises SsmlError with all errors if there are any; warnings stay in the result."""
    speech = lint(text, voice=voice, video=video)
    if speech.errors:
        raise SsmlError(speech.errors)
    return speech


class _Lint:
    def __init__(self, notes: Notes, voice: "Voice | None", *, video: bool) -> None:
        self._notes = notes
        self._voice = voice
        self._video = video

    def document(self, document: Document) -> None:
        self._length(document)
        if not document.marked_up:
            return
        elements = [one for one in document.children if isinstance(one, Element)]
        root = next((one for one in elements if one.name == ROOT), None)
        if root is None:
            if elements:
                message = "tags count only inside <speak>"
                hint = f"put the whole text inside <{ROOT}>…</{ROOT}>"
                self._notes.report(elements[0].at, Code.NO_SPEAK, message, hint)
            self._inside(document.children, TAGS[ROOT], ROOT)
            return
        for part in document.children:
            if part is root:
                self._element(root, None, "")
            elif isinstance(part, Element):
                message = f"<{short(part.written)}> stands outside the <{ROOT}> that holds the text"
                self._notes.report(part.at, Code.OUTSIDE, message, f"one <{ROOT}> holds everything")
                self._element(part, None, "")
            elif part.text.strip():
                at = part.at + len(part.text) - len(part.text.lstrip())
                self._notes.report(at, Code.OUTSIDE, f"text stands outside <{ROOT}>", "move it inside")

    def _length(self, document: Document) -> None:
        left = SPOKEN_LIMIT
        total = sum(len(part.text) for part in _texts(document.children))
        if total <= SPOKEN_LIMIT:
            return
        for part in _texts(document.children):
            if len(part.text) > left:
                message = f"has {total:,} characters to be spoken, more than {SPOKEN_LIMIT:,}"
                self._notes.report(part.at + left, Code.TOO_LONG, message, "split the text")
                return
            left -= len(part.text)

    def _inside(self, children: "list[Element | Text]", tag: Tag | None, name: str) -> None:
        for child in children:
            if isinstance(child, Element):
                self._element(child, tag, name)
            elif tag is not None and not tag.text and child.text.strip():
                message = f"<{name}> cannot hold text"
                self._notes.report(
                    child.at, Code.WRONG_PLACE, message, f"write <{name}/> and the text behind it"
                )

    def _element(self, element: Element, parent: Tag | None, parent_name: str) -> None:
        """One tag and all in it; a `parent` of None: whether it may stand there is said or not known."""
        tag = TAGS.get(element.name)
        shown = f"<{short(element.written)}>"
        if element.written not in TAGS:
            written = element.written
            near = f"did you mean {element.name!r}?" if tag else did_you_mean(written[:40], TAGS)
            self._notes.report(
                element.at, Code.UNKNOWN_TAG, f"there is no tag {shown}", near or f"known: {', '.join(TAGS)}"
            )
        elif parent is not None and element.name not in parent.children:
            self._misplaced(element, parent, parent_name)
        if tag is not None:
            self._attributes(element, tag)
            self._content(element, tag)
            self._effect(element, tag)
        self._inside(element.children, tag, element.name)

    def _misplaced(self, element: Element, parent: Tag, parent_name: str) -> None:
        allowed = ", ".join(f"<{name}>" for name in parent.children)
        if parent.children:
            hint = f"it can hold text, {allowed}"
        else:
            hint = "it can hold text alone" if parent.text else "it can hold nothing"
        warning = parent.children_inferred
        message = f"<{element.name}> {'hardly belongs' if warning else 'cannot stand'} in <{parent_name}>"
        self._notes.report(element.at, Code.WRONG_PLACE, message, hint, warning=warning)

    def _attributes(self, element: Element, tag: Tag) -> None:
        for name, value in element.attributes.items():
            attribute = tag.attributes.get(name)
            if attribute is None:
                self._unknown_attribute(element, tag, name, value)
                continue
            message, hint = attributes.mistake(attribute, value.text)
            if message:
                shown = short(value.text)
                message = f"{name}={shown!r} of <{element.name}> {message}"
                self._notes.report(value.at, Code.WRONG_VALUE, message, hint)
        for name, attribute in tag.attributes.items():
            # A name that comes close to it was reported as unknown.
            if (
                attribute.required
                and name not in element.attributes
                and not any(did_you_mean(given[:40], [name]) for given in element.attributes)
            ):
                message = f"<{element.name}> lacks its attribute {name!r}"
                hint = f'write {name}="{attribute.example or "…"}"'
                warning = tag.required_inferred
                self._notes.report(element.at, Code.MISSING_ATTRIBUTE, message, hint, warning=warning)

    def _unknown_attribute(self, element: Element, tag: Tag, name: str, value: Value) -> None:
        near = did_you_mean(name[:40], tag.attributes) or (
            f"known: {', '.join(tag.attributes)}" if tag.attributes else f"write <{element.name}> without any"
        )
        # SSML 1.0, on which MetaStudio's is founded, has these on its root.
        standard = element.name == ROOT and (name == "version" or name.startswith(("xmlns", "xml:", "xsi:")))
        self._notes.report(
            value.name_at,
            Code.UNKNOWN_ATTRIBUTE,
            f"<{element.name}> has no attribute {short(name)!r}",
            near,
            warning=standard,
        )

    def _content(self, element: Element, tag: Tag) -> None:
        text = "".join(part.text for part in _texts(element.children))
        pronunciation = element.attributes.get("ph") if element.name == "phoneme" else None
        if pronunciation is not None and pronunciation.text.strip():
            message, hint = doubt(pronunciation.text, text)
            if message:
                self._notes.report(pronunciation.at, Code.PRONUNCIATION, message, hint, warning=True)
        if tag.one_word and (strange := re.search(r"[\s]|[^\w\s]", text.strip())):
            message = f"{strange[0]!r} stands in <{element.name}>, which takes neither blanks nor punctuation"
            self._notes.report(element.at, Code.ONE_WORD, message, warning=True)

    def _effect(self, element: Element, tag: Tag) -> None:
        if self._video and element.name not in VIDEO_TAGS:
            works = " and ".join(f"<{name}>" for name in TAGS if name in VIDEO_TAGS and name != ROOT)
            message = f"<{element.name}> does nothing in an avatar video"
            self._notes.report(element.at, Code.NO_EFFECT, message, f"only {works} do", warning=True)
        if self._voice is None:
            return
        for field in _needed(element, tag.capabilities):
            # What the answer does not mention has its default, false (reference Table 4-40).
            if not getattr(self._voice, field):
                message = f"the voice does not support <{element.name}> here ({field})"
                hint = "take another voice, or leave the tag out"
                self._notes.report(element.at, Code.VOICE_LACKS, message, hint, warning=True)


def _needed(element: Element, capabilities: Mapping[str, str]) -> Iterator[str]:
    """What a voice needs for this very tag."""
    if "" in capabilities:
        yield capabilities[""]
    elif element.name == "phoneme":
        pronunciation = element.attributes.get("ph")
        language = language_of(pronunciation.text) if pronunciation else None
        if language is not None:
            yield capabilities[language]
    else:
        yield from (field for name, field in capabilities.items() if name in element.attributes)


def _texts(children: "list[Element | Text]") -> Iterator[Text]:
    for child in children:
        if isinstance(child, Element):
            yield from _texts(child.children)
        else:
            yield child
