# One image for every part of docker-compose.local.yml: Celery worker, simulator, Flower, JupyterLab.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 RUNPODKIT_HOME=/data
WORKDIR /app

# The pins of requirements.lock without the tools of the tests.
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY runpodkit ./runpodkit
RUN pip install --no-cache-dir "$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)" \
    && uv pip install --system --no-cache --compile-bytecode --constraint requirements.lock ".[local,lab,monitor,api]" \
    && pip uninstall --yes uv

RUN useradd --create-home --uid 1000 runpodkit \
    && mkdir /data /notebooks \
    && chown runpodkit /data /notebooks
USER runpodkit
WORKDIR /notebooks
COPY --chown=runpodkit notebooks ./

CMD ["celery", "-A", "runpodkit.tasks", "worker", "--loglevel=info", "--concurrency=2"]
