rule report:
    input:
        expand(f"{RESULTS}/runs/{{dataset}}/{{variant}}/{{seed}}", dataset=DATASETS, variant=VARIANTS, seed=SEEDS),
        expand(f"{RESULTS}/scores/{{dataset}}/{{variant}}/{{seed}}", dataset=DATASETS, variant=VARIANTS, seed=SEEDS),
    output:
        directory(f"{RESULTS}/report"),
    log:
        "logs/report/report.log",
    conda:
        "../../envs/ganflow.yaml"
    shell:
        "dvc --wait-for-lock repro --quiet --single-item report"
