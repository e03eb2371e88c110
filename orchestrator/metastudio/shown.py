"""Text from outside, fit to be shown in an error or a log."""

import re

# Who sends the text may choose it, so no pattern has two ways to read the same characters: each takes one pass.

#: A service's message may quote a presigned URL, or what it was sent.
_QUERY = re.compile(r"(://[^\s?\"'<>]*)(\?[^\s\"'<>]*)?")
_USER = re.compile(r"//[^\s/?#@\"'<>]*@")
_SCHEME = re.compile(r"(?i)\b(SDK-HMAC-SHA256|Bearer|Basic)\s+\S+(?:\s+\w+=\S+)*")
_PAIR = re.compile(
    r"(?i)((?:signature|secret|token|password|auth_key|authorization)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&]+"
)
#: A URL that was cut may have lost the sign by which its password is known.
_CUT_URL = re.compile(r"://\S*\Z")
#: So many times the wanted length is looked at: what is taken out makes a text shorter.
_WIDER = 4


def shown(text: str, limit: int) -> str:
    """`text` as one line of at most `limit` characters, without signed queries, tokens, signatures and passwords."""
    cut = text[: _WIDER * limit]
    if len(cut) < len(text):
        cut = _CUT_URL.sub("://…", cut)
    plain = _QUERY.sub(lambda url: f"{url[1]}{'?…' if url[2] else ''}", _USER.sub("//", cut))
    plain = _PAIR.sub(r"\1***", _SCHEME.sub(r"\1 ***", plain))
    line = " ".join("".join(char if char.isprintable() else " " for char in plain).split())
    return line if len(line) <= limit and len(cut) == len(text) else f"{line[: limit - 1]}…"
