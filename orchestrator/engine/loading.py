"""A run's state from the store."""

import json
from collections.abc import MutableMapping

from orchestrator.domain import events as ev
from orchestrator.domain.ids import DefinitionHash, RunId
from orchestrator.domain.pipeline import Pipeline
from orchestrator.domain.run import RunState, replay
from orchestrator.store.base import Store


async def load_state(
    store: Store, run_id: RunId, pipelines: MutableMapping[DefinitionHash, Pipeline]
) -> RunState | None:
    """The run as its journal has it, None for an unknown one. `pipelines` keeps definitions between calls."""
    journal = await store.journal(run_id)
    if not journal:
        return None
    created = journal[0].body
    assert isinstance(created, ev.RunCreated)
    return replay(run_id, await load_pipeline(store, created.definition, pipelines), journal)


async def load_pipeline(
    store: Store, definition: DefinitionHash, pipelines: MutableMapping[DefinitionHash, Pipeline]
) -> Pipeline:
    """The definition that runs were started with. Raises DefinitionLostError when it is gone."""
    if definition not in pipelines:
        pipelines[definition] = Pipeline.from_json(json.loads(await store.definition(definition)))
    return pipelines[definition]
