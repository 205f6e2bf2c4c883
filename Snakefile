"""Snakemake schedules, DVC decides and remembers: a rule's command is one DVC stage, and before planning, the dates of
outputs are set by `dvc status`, so that Snakemake plans exactly what `dvc repro` would run. Commands and parameters are in
dvc.yaml, the graph in src/ganflow/stages/graph.py.
"""

from ganflow.stages.graph import STAGES
from workflow.command_line import asked
from workflow.folders import all_of, inputs, pattern

ASKED = asked()
if workflow.is_main_process and workflow.check_envvars:  # false for `snakemake --lint`, which needs no plan
    from workflow.freshness import align, foresee, list_runs, require

    require(workflow, ASKED)
    if ASKED.dry_run:
        ASKED.runs.update(foresee(workflow))
    else:
        list_runs(workflow)
        if not align(workflow):
            shell("python -m workflow.job plan logs/plan/plan.log")
            align(workflow)


configfile: "params.yaml"
configfile: "workflow/runs.yaml"


if ASKED.dry_run:
    config["runs"] = ASKED.runs or config["runs"]
GPUS = 0 if config.get("compute", {}).get("device") == "cpu" else 1
THREADS = config.get("compute", {}).get("threads", 2)


wildcard_constraints:
    dataset="[a-z][a-z0-9_]*",
    variant="[a-z][a-z0-9_]*",
    seed="[0-9]+",


include: "workflow/rules/stages.smk"


rule all:
    default_target: True
    input:
        [all_of(stage, config) for stage in STAGES.values()],
