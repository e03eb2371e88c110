"""What each code of a problem means, with a definition that has it and one that has not. The tests try all of them."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.definition.problems import Code
from orchestrator.domain.nearest import did_you_mean
from orchestrator.errors import UsageError


@dataclass(frozen=True, slots=True)
class Rule:
    """Examples of one code. A definition may leave out `pipeline` and `steps`; `rows` name its table `rows.csv`."""

    wrong: str = ""
    right: str = ""
    #: More to know, or what stands for an example where none can be printed.
    note: str = ""
    #: The content of `rows.csv` in either.
    wrong_table: str = ""
    right_table: str = ""


def _step(uses: str, given: str = "", more: str = "") -> str:
    given = f", with: {{{given}}}" if given else ""
    return f"steps:\n  work: {{uses: {uses}{more}{given}}}"


#: Of a table.
_SHOWN_LINES: Final = 5
_SLEEP: Final = _step("sleep", "seconds: 5")
_ROWS: Final = 'rows: {from: rows.csv, name: "${{ row.sku }}"}'
_SKU_INPUT: Final = "inputs: {sku: {type: string, max_length: 3}}\nrows: {from: rows.csv}"


def _inputs(declared: str, *, used: str = "x") -> str:
    return f'inputs: {{x: {{{declared}}}}}\noutputs: {{x: "${{{{ inputs.{used} }}}}"}}'


def _outputs(expression: str) -> str:
    return f'outputs: {{x: "${{{{ {expression} }}}}"}}'


_VIDEO: Final = """\
steps:
  work:
    uses: script.create
    with:
      script_name: greeting
      model_asset_id: {model}
      voice_config: {{voice_asset_id: {voice}}}
      video_config: {{codec: H264, bitrate: 4000, width: 1920, height: {height}}}
      shoot_scripts: [{{shoot_script: {{text_config: {{text: "{text}"}}}}}}]"""


def _video(
    *,
    model: str = "0c7798664ee7178b3dba3bbef57c32e7",
    voice: str = "aca15f9fe7912b2d5d8eb827f2d1327b",
    height: int = 1080,
    text: str = "Hello.",
) -> str:
    return _VIDEO.format(model=model, voice=voice, height=height, text=text)


RULES: Final[Mapping[Code, Rule]] = {
    Code.UNREADABLE: Rule(note="The file is there, may be read, and its name ends in `.yaml` or `.yml`."),
    Code.ENCODING: Rule(note="Save the file as UTF-8."),
    Code.TOO_LARGE: Rule(
        note="A definition has 1,000,000 bytes, 20,000 values (those that its aliases repeat included) and 40 levels at "
        "most. Put long texts and lists into a table or into files."
    ),
    Code.SYNTAX: Rule('description: "no end', 'description: "an end"'),
    Code.DUPLICATE_KEY: Rule("description: one\ndescription: two", "description: one and two"),
    Code.YAML_FEATURE: Rule("description: !secret x", 'description: "!secret x"'),
    Code.EMPTY: Rule(note="A definition begins with `pipeline: name` and has `steps`."),
    Code.UNKNOWN_KEY: Rule("descripton: a typo", "description: no typo"),
    Code.MISSING_KEY: Rule("steps:\n  work: {with: {seconds: 5}}", _SLEEP),
    Code.WRONG_VALUE: Rule("defaults: {timeout: 30 minutes}", "defaults: {timeout: 30m}"),
    Code.NEEDS_KEY: Rule(
        _step("sleep", "seconds: 5", ", max_parallel: 2"),
        _step("sleep", "seconds: 5", ", foreach: [1, 2, 3], max_parallel: 2"),
    ),
    Code.NAME_TWICE: Rule(
        f"{_SLEEP}\nfinally:\n  work: {{uses: sleep, with: {{seconds: 1}}}}",
        f"{_SLEEP}\nfinally:\n  rest: {{uses: sleep, with: {{seconds: 1}}}}",
    ),
    Code.FRAGMENT: Rule(
        "fragments: {short: {with: {seconds: 5}}}\nsteps:\n  work: {uses: sleep, extends: shrt}",
        "fragments: {short: {with: {seconds: 5}}}\nsteps:\n  work: {uses: sleep, extends: short}",
    ),
    Code.UNKNOWN_KIND: Rule(_step("slep", "seconds: 5"), _SLEEP),
    Code.UNKNOWN_PARAMETER: Rule(_step("sleep", "seconds: 5, minutes: 1"), _step("sleep", "seconds: 65")),
    Code.MISSING_PARAMETER: Rule(_step("sleep"), _SLEEP),
    Code.WRONG_PARAMETER: Rule(
        _video(height=1000),
        _video(),
        note="Types, ranges and the conditions between fields are those of the API, and hold as well where an expression "
        "stands beside them.",
    ),
    Code.UNKNOWN_NEED: Rule(
        _step("sleep", "seconds: 5", ", needs: upload"),
        "steps:\n  upload: {uses: sleep, with: {seconds: 1}}\n  work: {uses: sleep, needs: upload, with: {seconds: 5}}",
    ),
    Code.CYCLE: Rule(
        "steps:\n  a: {uses: sleep, needs: b, with: {seconds: 1}}\n  b: {uses: sleep, needs: a, with: {seconds: 1}}",
        "steps:\n  a: {uses: sleep, with: {seconds: 1}}\n  b: {uses: sleep, needs: a, with: {seconds: 1}}",
    ),
    Code.SELF_REFERENCE: Rule(_step("sleep", "seconds: 5", ", needs: work"), _SLEEP),
    Code.SUB_PIPELINE: Rule(
        _step("pipeline.run", "file: none.yaml"),
        note="The file is there, holds a definition without `rows`, and does not run this one in turn.",
    ),
    Code.EXPRESSION: Rule(_outputs("run.name |"), _outputs("run.name | upper")),
    Code.UNKNOWN_ROOT: Rule(_outputs("input.x"), _outputs("run.name")),
    Code.UNKNOWN_INPUT: Rule(_inputs("type: string", used="y"), _inputs("type: string")),
    Code.UNKNOWN_STEP: Rule(f"{_SLEEP}\n{_outputs('steps.rest')}", f"{_SLEEP}\n{_outputs('steps.work')}"),
    Code.UNKNOWN_OUTPUT: Rule(
        f"{_step('asset.create', 'asset_name: a, asset_type: IMAGE')}\n{_outputs('steps.work.id')}",
        f"{_step('asset.create', 'asset_name: a, asset_type: IMAGE')}\n{_outputs('steps.work.asset_id')}",
    ),
    Code.UNKNOWN_MEMBER: Rule(_outputs("run.title"), _outputs("run.name")),
    Code.NO_EXPRESSION_HERE: Rule(
        'steps:\n  work: {uses: "${{ inputs.kind }}"}',
        _SLEEP,
        note="What a step does is fixed; `if` chooses.",
    ),
    Code.WRONG_DEFAULT: Rule(_inputs("type: integer, default: many"), _inputs("type: integer, default: 3")),
    Code.MISSING_INPUT: Rule(
        "inputs: {sku: {type: string}}\nrows: {from: rows.csv}\noutputs: {sku: '${{ inputs.sku }}'}",
        "inputs: {sku: {type: string}}\nrows: {from: rows.csv}\noutputs: {sku: '${{ inputs.sku }}'}",
        wrong_table="sku,title\n,Cup",
        right_table="sku,title\nc1,Cup",
    ),
    Code.UNKNOWN_INPUT_GIVEN: Rule(note="`-i NAME=VALUE` gives an input that stands under `inputs`."),
    Code.WRONG_INPUT: Rule(
        f"{_SKU_INPUT}\noutputs: {{sku: '${{{{ inputs.sku }}}}'}}",
        f"{_SKU_INPUT}\noutputs: {{sku: '${{{{ inputs.sku }}}}'}}",
        note="A value is tried in every parameter that it goes into as well.",
        wrong_table="sku,title\nlong,Cup",
        right_table="sku,title\nc1,Cup",
    ),
    Code.FILE_MISSING: Rule(
        _inputs("type: file, default: none.png"),
        note="Paths are relative to the table, then to the definition.",
    ),
    Code.FILE_OUTSIDE: Rule(
        _inputs("type: file, default: ../../secret.png"),
        note="Only the definition's folder and the table's may be read, or those of the setting `files.roots`. Links count "
        "as what they lead to.",
    ),
    Code.FILE_REFUSED: Rule(
        "inputs: {image: {type: file, accept: [png]}}\nrows: {from: rows.csv}\noutputs: {x: '${{ inputs.image }}'}",
        wrong_table="image\nrows.csv",
    ),
    Code.TABLE_UNREADABLE: Rule("rows: {from: none.csv}", "rows: {from: rows.csv}", right_table="sku\nc1"),
    Code.TABLE_FORMAT: Rule("rows: {from: DEFINITION}", note="Tables are CSV, TSV, JSON lines and XLSX."),
    Code.TABLE_HEADER: Rule(
        "rows: {from: rows.csv}",
        "rows: {from: rows.csv}",
        wrong_table="sku,sku\nc1,c2",
        right_table="sku,title\nc1,Cup",
    ),
    Code.TABLE_ROW: Rule(
        "rows: {from: rows.csv}",
        "rows: {from: rows.csv}",
        wrong_table="sku,title\nc1,Cup,blue",
        right_table='sku,title\nc1,"Cup,blue"',
    ),
    Code.ROW_NAME: Rule(
        _ROWS, _ROWS, wrong_table="sku,title\nc1,Cup\nc1,Pot", right_table="sku,title\nc1,Cup\nc2,Pot"
    ),
    Code.UNKNOWN_COLUMN: Rule(
        _ROWS, _ROWS, wrong_table="name,title\nc1,Cup", right_table="sku,title\nc1,Cup"
    ),
    Code.UNUSED: Rule(
        "inputs: {x: {type: string, default: a}}",
        _inputs("type: string, default: a"),
    ),
    Code.ODD_ID: Rule(
        _video(model="my-avatar"), _video(), note="The ids of the platform have 32 digits and letters a to f."
    ),
    Code.OTHER_REGION: Rule(
        _video(voice="Emma"),
        _video(),
        note="A voice has another id in each region, and some regions lack it. An input of the type `timbre` takes its name "
        "and finds the id; `--region` says where the definition is to run.",
    ),
    Code.MEDIA: Rule(
        "steps:\n"
        "  asset: {uses: asset.create, with: {asset_name: a, asset_type: IMAGE}}\n"
        "  work: {uses: file.upload, with: {asset_id: '${{ steps.asset.asset_id }}', path: rows.csv}}",
        note="What a file is is told from its content, not from its name. The limits are those of the reference for what the "
        "file is used as: a picture, a video, recorded speech (100 MiB), a training video, and so on.",
        wrong_table="sku\nc1",
    ),
    Code.MEDIA_NOT_SEEN: Rule(
        note="The length and the frame of a video are known only with PyAV: install the extra `media`."
    ),
    Code.MEDIA_DOUBT: Rule(
        note="A training video is MP4, 1920x1080 or 3840x2160 (upright or not), 3 to 10 minutes long (reference 8.1)."
    ),
    Code.SPEECH_DOUBT: Rule(
        _video(text="<speak><emotion type='HAPPY'>Hello.</emotion></speak>"),
        _video(text="<speak>Hello.<break time='300ms'/></speak>"),
        note="In an avatar video only `<break>` and `<phoneme>` take effect (reference, table 11-3).",
    ),
    Code.TOO_SHORT_A_TIME: Rule(
        _step("sleep", "seconds: 60", ", timeout: 30s"), _step("sleep", "seconds: 60", ", timeout: 2m")
    ),
    Code.RATE: Rule(
        'on: {schedule: {cron: "* * * * *"}}\nsteps:\n'
        "  work: {uses: asset.create, with: {asset_name: a, asset_type: IMAGE}}\nrows: {from: rows.csv}",
        'on: {schedule: {cron: "0 6 * * *"}}\nsteps:\n'
        "  work: {uses: asset.create, with: {asset_name: a, asset_type: IMAGE}}\nrows: {from: rows.csv}",
        note="Counted for one day, with the rows that the table has now and the rates of the region (or of the setting "
        "`limits`). The example has 700 rows.",
        wrong_table="sku" + "\nc1" * 700,
        right_table="sku" + "\nc1" * 700,
    ),
    Code.SECRET_NOT_SET: Rule(
        note="`plan` calls nothing, so it goes on without the secret; `run` refuses with D502. Set "
        "ORCHESTRATOR_SECRETS__NAME, or ORCHESTRATOR_SECRETS__NAME_FILE."
    ),
}


def explained(code: str) -> str:
    """The page of one code, as text. Raises UsageError for a code that is not there."""
    known = {str(one): one for one in Code}
    wanted = code.strip().upper()
    found = known.get(wanted)
    if found is None:
        near = did_you_mean(wanted, known) or "`docs/reference/rules.md` lists them all."
        raise UsageError(f"There is no code {code!r}.", hint=near)
    rule = RULES[found]
    parts = [f"{found} ({found.severity}): {found.meaning}"]
    if rule.note:
        parts.append(textwrap.fill(rule.note, 100))
    for title, text, table in (
        ("Wrong:", rule.wrong, rule.wrong_table),
        ("Right:", rule.right, rule.right_table),
    ):
        if text:
            parts.append(f"{title}\n\n{textwrap.indent(_whole(text, table), '    ')}")
    return "\n\n".join(parts)


def _whole(definition: str, table: str) -> str:
    return definition + (f"\n\n# rows.csv\n{shown_table(table)}" if table else "")


def shown_table(table: str) -> str:
    """A table as people read it: not all of its rows."""
    lines = table.splitlines()
    return "\n".join([*lines[:2], "…"] if len(lines) > _SHOWN_LINES else lines)
