# One image for every role; which one runs is the command. Nothing of the first stage but /opt/anju is in the image:
# no compiler, no source, no pip's cache. The base is pinned by its version; pin it by digest where you build, if your
# rules ask for that.
ARG PYTHON=python:3.13.7-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
# First what seldom changes. The build backend is in the lock file too, so that nothing is resolved anew.
COPY requirements.lock ./
RUN python -m venv /opt/anju \
 && /opt/anju/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY alerts alerts
COPY anju anju
COPY config config
COPY devices devices
COPY ingest ingest
COPY registry registry
COPY rules rules
COPY storage storage
RUN /opt/anju/bin/pip install --no-deps --no-build-isolation . \
 && /opt/anju/bin/pip uninstall --yes hatchling editables pip \
 && /opt/anju/bin/anju --version

FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="anju" \
      org.opencontainers.image.description="Watches over older people who live alone: from a sensor's MQTT message to the duty worker who goes there." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# Numeric, so that `runAsNonRoot` can be checked; the group is that of the site's secrets (docs/compose.md).
RUN groupadd --system --gid 10001 anju \
 && useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin --uid 10001 --gid 10001 anju
COPY --from=build /opt/anju /opt/anju
ENV PATH=/opt/anju/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ANJU_LOG_FORMAT=json
WORKDIR /tmp
USER 10001:10001
# Asks whichever role has a metrics port here (ANJU_METRICS_PORT_INGEST and so on).
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["anju", "health"]
ENTRYPOINT ["anju"]
