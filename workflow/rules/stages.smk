report: "../report/workflow.rst"


def outputs(stage):
    """The folder of a stage, marked for `snakemake --report` where it holds figures."""
    folder = directory(pattern(stage, config))
    if stage.name != "report":
        return folder
    return report(
        folder,
        patterns=["figures/{dataset}_{figure}.png"],
        caption="../report/figure.rst",
        category="{dataset}",
        labels={"figure": "{figure}"},
    )


for stage in STAGES.values():
    axes = [f"{{{axis}}}" for axis in stage.axes]

    rule:
        name:
            stage.name
        input:
            inputs(stage, config),
        output:
            outputs(stage),
        log:
            f"logs/{stage.name}/{stage.key(*axes)}.log",
        conda:
            "../../envs/ganflow.yaml"
        threads: THREADS if stage.threads else 1
        resources:
            gpu=GPUS if stage.gpu else 0,
        params:
            stage=stage.address(*axes),
            force=lambda wildcards, output, rule=stage.name: ASKED.force(rule, output[0]),
        shell:
            "python -m workflow.job {params.force} {params.stage} {log}"
