"""Snakemake schedules, DVC decides and remembers: a rule's command is one DVC stage, and before planning, outputs are dated
by DVC's verdict, so that Snakemake plans exactly what `dvc repro` would run. Commands and parameters stand in dvc.yaml.
"""


configfile: "params.yaml"


if workflow.is_main_process:
    from workflow.freshness import align, require_conda

    require_conda(workflow)
    shell("dvc --wait-for-lock repro --quiet --single-item plan")
    align()

RESULTS = f"results/{config['experiment']}"
DATASETS, VARIANTS, SEEDS = list(config["datasets"]), list(config["variants"]), config["seeds"]
GPUS = 0 if config.get("compute", {}).get("device") == "cpu" else 1
THREADS = config.get("compute", {}).get("threads", 2)


wildcard_constraints:
    dataset="[a-z][a-z0-9_]*",
    variant="[a-z][a-z0-9_]*",
    seed="[0-9]+",


include: "workflow/rules/data.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/studies.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        expand("data/raw/{dataset}", dataset=DATASETS),
        expand("data/shards/{dataset}", dataset=DATASETS),
        "data/extractor",
        expand("data/features/{dataset}", dataset=DATASETS),
        expand("data/reference/{dataset}", dataset=DATASETS),
        expand(f"{RESULTS}/runs/{{dataset}}/{{variant}}/{{seed}}", dataset=DATASETS, variant=VARIANTS, seed=SEEDS),
        expand(f"{RESULTS}/generated/{{dataset}}/{{variant}}/{{seed}}", dataset=DATASETS, variant=VARIANTS, seed=SEEDS),
        expand(f"{RESULTS}/scores/{{dataset}}/{{variant}}/{{seed}}", dataset=DATASETS, variant=VARIANTS, seed=SEEDS),
        f"{RESULTS}/studies",
        f"{RESULTS}/report",
