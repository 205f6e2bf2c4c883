rule studies:
    input:
        "params.yaml",
    output:
        directory(f"{RESULTS}/studies"),
    log:
        "logs/studies/studies.log",
    conda:
        "../../envs/ganflow.yaml"
    threads: THREADS
    shell:
        "dvc --wait-for-lock repro --quiet --single-item studies"
