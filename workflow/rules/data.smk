rule download:
    input:
        "params.yaml",
    output:
        directory("data/raw/{dataset}"),
    log:
        "logs/download/{dataset}.log",
    conda:
        "../../envs/ganflow.yaml"
    shell:
        "dvc --wait-for-lock repro --quiet --single-item download@{wildcards.dataset}"


rule shard:
    input:
        "data/raw/{dataset}",
    output:
        directory("data/shards/{dataset}"),
    log:
        "logs/shard/{dataset}.log",
    conda:
        "../../envs/ganflow.yaml"
    threads: THREADS
    shell:
        "dvc --wait-for-lock repro --quiet --single-item shard@{wildcards.dataset}"


rule extractor:
    input:
        "params.yaml",
    output:
        directory("data/extractor"),
    log:
        "logs/extractor/extractor.log",
    conda:
        "../../envs/ganflow.yaml"
    shell:
        "dvc --wait-for-lock repro --quiet --single-item extractor"


rule extract:
    input:
        "data/extractor",
        "data/shards/{dataset}",
    output:
        directory("data/features/{dataset}"),
    log:
        "logs/extract/{dataset}.log",
    conda:
        "../../envs/ganflow.yaml"
    threads: THREADS
    resources:
        gpu=GPUS,
    shell:
        "dvc --wait-for-lock repro --quiet --single-item extract@{wildcards.dataset}"


rule reference:
    input:
        "data/extractor",
        "data/shards/{dataset}",
        "data/features/{dataset}",
    output:
        directory("data/reference/{dataset}"),
    log:
        "logs/reference/{dataset}.log",
    conda:
        "../../envs/ganflow.yaml"
    threads: THREADS
    shell:
        "dvc --wait-for-lock repro --quiet --single-item reference@{wildcards.dataset}"
