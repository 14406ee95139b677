# Two images from one file:
#   docker build --target service  -t seedlings-service .      answers predictions, on a CPU
#   docker build --target training -t seedlings-training .     trains and publishes models, on a GPU
#
# Where no package index can be reached, a folder of wheels takes its place:
#   --build-context wheels=FOLDER --build-arg PIP_NO_INDEX=1

ARG PYTHON_VERSION=3.11
ARG BASE=docker.io/library/python:${PYTHON_VERSION}-slim

FROM scratch AS wheels


# hadolint ignore=DL3006
FROM ${BASE} AS base
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.vendor="Seedlings" \
      org.opencontainers.image.licenses="Apache-2.0 AND CC-BY-SA-4.0"
# A home that can be written even when the root cannot. Bytecode is compiled below, while the root still can.
ENV HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# One user for both images, so that each can read what the other writes into the volumes they share: models and photos.
RUN groupadd --gid 10001 seedlings \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin seedlings \
 && install --directory --owner=10001 --group=10001 /models /photos
WORKDIR /app
COPY LICENSE NOTICE ./


FROM base AS service
ARG PIP_NO_INDEX=""
ARG TORCH=torch-cpu.txt
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# Seldom changed and large, so a layer of its own; without its C++ headers and tests, which are of use to builders only.
RUN --mount=type=bind,source=requirements,target=/requirements --mount=type=bind,from=wheels,target=/wheels \
    pip install --no-cache-dir --no-compile --no-deps --only-binary :all: --find-links /wheels --index-url "${TORCH_INDEX}" \
      --requirement "/requirements/${TORCH}" \
 && torch="$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch" \
 && rm -r "${torch}/include" "${torch}/share" "${torch}/test" \
 && find "${torch}/bin" -type f ! -name torch_shm_manager -delete
RUN --mount=type=bind,source=requirements,target=/requirements --mount=type=bind,from=wheels,target=/wheels \
    pip install --no-cache-dir --no-compile --no-deps --only-binary :all: --find-links /wheels --require-hashes \
      --requirement /requirements/service.txt
COPY models_store models_store
COPY corrections corrections
# For `predict --url`, which asks another service.
COPY clients/python/seedlings_client seedlings_client
COPY service service
# Bytecode for what is really imported, a quarter of all.
RUN PYTHONDONTWRITEBYTECODE="" python -c "import service.app, service.__main__, service.serving, corrections.store, seedlings_client"
LABEL org.opencontainers.image.title="seedlings-service" \
      org.opencontainers.image.description="Tells 12 species of plant seedlings apart on photos, over HTTP"
ENV SEEDLINGS_HOST=0.0.0.0 \
    SEEDLINGS_PORT=8000 \
    SEEDLINGS_PROBE_PORT=8090 \
    SEEDLINGS_STORE=/models \
    SEEDLINGS_LOG_FORMAT=json
USER 10001:10001
VOLUME /models
EXPOSE 8000 8090
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + (os.environ['SEEDLINGS_PROBE_PORT'] or os.environ['SEEDLINGS_PORT']) + '/health', timeout=2)"]
CMD ["python", "-m", "service"]


FROM base AS training
ARG PIP_NO_INDEX=""
# From pip's own index. For a machine without a GPU: torch-cpu-training.txt and PyTorch's index of CPU builds.
ARG TRAINING_TORCH=torch-cuda.txt
ARG TRAINING_TORCH_INDEX=""
RUN --mount=type=bind,source=requirements,target=/requirements --mount=type=bind,from=wheels,target=/wheels \
    pip install --no-cache-dir --no-deps --only-binary :all: --find-links /wheels \
      ${TRAINING_TORCH_INDEX:+--index-url "${TRAINING_TORCH_INDEX}"} --requirement "/requirements/${TRAINING_TORCH}"
# hadolint ignore=DL3059
RUN --mount=type=bind,source=requirements,target=/requirements --mount=type=bind,from=wheels,target=/wheels \
    pip install --no-cache-dir --no-deps --only-binary :all: --find-links /wheels --require-hashes \
      --requirement /requirements/training.txt
COPY models_store models_store
COPY corrections corrections
COPY training training
RUN python -m compileall -q . \
 && install --directory --owner=10001 --group=10001 /runs
LABEL org.opencontainers.image.title="seedlings-training" \
      org.opencontainers.image.description="Trains, evaluates and exports networks that tell plant seedlings apart"
# Decoded images stay with the runs, since both are needed again when a run is resumed.
ENV XDG_CACHE_HOME=/runs/.cache
USER 10001:10001
VOLUME ["/runs", "/models"]
# Interrupted, a run keeps its finished epochs; Python ends on SIGINT by itself, but as process 1 it would ignore SIGTERM.
STOPSIGNAL SIGINT
ENTRYPOINT ["python", "-m", "training"]
CMD ["--help"]
