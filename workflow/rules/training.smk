rule train:
    input:
        "data/shards/{dataset}",
    output:
        directory(f"{RESULTS}/runs/{{dataset}}/{{variant}}/{{seed}}"),
    log:
        "logs/train/{dataset}-{variant}-{seed}.log",
    conda:
        "../../envs/ganflow.yaml"
    threads: THREADS
    resources:
        gpu=GPUS,
    shell:
        "dvc --wait-for-lock repro --quiet --single-item train@{wildcards.dataset}-{wildcards.variant}-{wildcards.seed}"


rule generate:
    input:
        "data/extractor",
        "data/shards/{dataset}",
        "data/features/{dataset}",
        f"{RESULTS}/runs/{{dataset}}/{{variant}}/{{seed}}",
    output:
        directory(f"{RESULTS}/generated/{{dataset}}/{{variant}}/{{seed}}"),
    log:
        "logs/generate/{dataset}-{variant}-{seed}.log",
    conda:
        "../../envs/ganflow.yaml"
    threads: THREADS
    resources:
        gpu=GPUS,
    shell:
        "dvc --wait-for-lock repro --quiet --single-item generate@{wildcards.dataset}-{wildcards.variant}-{wildcards.seed}"


rule evaluate:
    input:
        "data/extractor",
        "data/shards/{dataset}",
        "data/features/{dataset}",
        "data/reference/{dataset}",
        f"{RESULTS}/runs/{{dataset}}/{{variant}}/{{seed}}",
        f"{RESULTS}/generated/{{dataset}}/{{variant}}/{{seed}}",
    output:
        directory(f"{RESULTS}/scores/{{dataset}}/{{variant}}/{{seed}}"),
    log:
        "logs/evaluate/{dataset}-{variant}-{seed}.log",
    conda:
        "../../envs/ganflow.yaml"
    threads: THREADS
    resources:
        gpu=GPUS,
    shell:
        "dvc --wait-for-lock repro --quiet --single-item evaluate@{wildcards.dataset}-{wildcards.variant}-{wildcards.seed}"
