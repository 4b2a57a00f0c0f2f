# One image for every role; which one runs is the command.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/anju \
 && /opt/anju/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY alerts alerts
COPY anju anju
COPY config config
COPY devices devices
COPY ingest ingest
COPY registry registry
COPY rules rules
COPY storage storage
RUN /opt/anju/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
RUN useradd --system --no-create-home anju
COPY --from=build /opt/anju /opt/anju
ENV PATH=/opt/anju/bin:$PATH ANJU_LOG_FORMAT=json
USER anju
ENTRYPOINT ["anju"]
