# syntax=docker/dockerfile:1
# The service on a CPU:
#   docker build -t hybridner .
#   docker run -p 8000:8000 hybridner                                  the bundled model
#   docker run -p 8000:8000 -v "$PWD/mine-int8:/model:ro" hybridner /model --threads 4
#   docker run -p 8000:8000 -e OPENAI_API_KEY -v "$PWD/llm.yaml:/llm.yaml:ro" hybridner bundled --llm /llm.yaml
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1

WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY hybridner ./hybridner
# The same versions that everything was tested with; torch without CUDA, which is several gigabytes smaller.
RUN pip install --extra-index-url https://download.pytorch.org/whl/cpu -c constraints.txt ".[llm,onnx,serve]" \
    && rm -rf /source/* \
    && useradd --create-home --uid 1000 hybridner

USER 1000
WORKDIR /home/hybridner
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
# SIGTERM, which `docker stop` sends, lets requests that have come in be answered.
STOPSIGNAL SIGTERM
ENTRYPOINT ["hybridner", "serve", "--host", "0.0.0.0"]
CMD ["bundled"]
