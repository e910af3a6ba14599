"""How the steps of a run are executed: in the run's own process, or each in a process of its own.

By default they share one: a model that several assets want is loaded once a run, and a run is a
process of its own anyway. Who wants a step's memory back when it ends, or the other steps to go
on where one is killed, says so for a run, in the Launchpad or a file for `dg launch --config`:

    execution: {config: {multiprocess: {}}}

Then one step runs at a time, unless `max_concurrent` says otherwise: the pools of dagster.yaml
keep runs apart, not the steps of one.
"""

from typing import Any

import dagster as dg

_CHOICE = dg.Field(
    dg.Selector({"in_process": dg.Permissive(), "multiprocess": dg.Permissive()}),
    default_value={"in_process": {}},
    description="Of `multiprocess` one step at a time, unless `max_concurrent` says otherwise.",
)


@dg.configured(dg.multi_or_in_process_executor, config_schema=_CHOICE)
def executor(config: dict[str, Any]) -> dict[str, Any]:
    if "multiprocess" in config:
        return {"multiprocess": {"max_concurrent": 1, **config["multiprocess"]}}
    return config
