# One image for every service of docker-compose.local.yml but Redis: Celery worker, beat, Flower, simulator, S3 server, JupyterLab.
FROM python:3.12-slim AS build

WORKDIR /build
ENV VIRTUAL_ENV=/opt/runpodkit UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
# The pins of requirements.lock, without the tools of the tests but for the S3 server; the package itself in a layer of its own.
COPY pyproject.toml requirements.lock ./
RUN pip install --no-cache-dir "$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)" \
    && uv venv --python "$(command -v python3)" "$VIRTUAL_ENV" \
    && uv pip install --no-cache --compile-bytecode --constraint requirements.lock \
        --requirement pyproject.toml --extra local --extra lab --extra export --extra monitor --extra api nanio
COPY README.md LICENSE ./
COPY runpodkit ./runpodkit
RUN uv pip install --no-cache --compile-bytecode --constraint requirements.lock --no-deps .

FROM python:3.12-slim

COPY --from=build /opt/runpodkit /opt/runpodkit
ENV PATH=/opt/runpodkit/bin:$PATH PYTHONUNBUFFERED=1 RUNPODKIT_HOME=/data
# Volumes take owner and content of the folder that they are mounted on.
RUN useradd --create-home --uid 1000 runpodkit \
    && install --directory --owner=runpodkit --mode=700 /data /pictures \
    && install --directory --owner=runpodkit /notebooks
USER runpodkit
WORKDIR /notebooks
COPY --chown=runpodkit notebooks/*.ipynb ./

HEALTHCHECK --interval=30s --timeout=20s --start-period=60s --retries=3 \
    CMD celery -A runpodkit.tasks inspect ping --timeout 5 --destination "celery@$(hostname)"
CMD ["celery", "-A", "runpodkit.tasks", "worker", "--loglevel=info", "--concurrency=2"]
