report: "../report/workflow.rst"


FIGURES = report(
    directory(f"{RESULTS}/report"),
    patterns=["figures/{dataset}_{figure}.png"],
    caption="../report/figure.rst",
    category="{dataset}",
    labels={"figure": "{figure}"},
)


rule report:
    input:
        expand(f"{RESULTS}/runs/{{dataset}}/{{variant}}/{{seed}}", dataset=DATASETS, variant=VARIANTS, seed=SEEDS),
        expand(f"{RESULTS}/generated/{{dataset}}/{{variant}}/{{seed}}", dataset=DATASETS, variant=VARIANTS, seed=SEEDS),
        expand(f"{RESULTS}/scores/{{dataset}}/{{variant}}/{{seed}}", dataset=DATASETS, variant=VARIANTS, seed=SEEDS),
        f"{RESULTS}/studies",
    output:
        FIGURES,
    log:
        "logs/report/report.log",
    conda:
        "../../envs/ganflow.yaml"
    shell:
        "dvc --wait-for-lock repro --quiet --single-item report"
