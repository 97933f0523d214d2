# signald in a container. The result has Python, signald and nothing to build with; it runs as nobody, also with a
# read-only root:
#
#     docker build -t signald . && docker run --rm -p 8080:8080 --read-only --cap-drop=ALL signald
#
# Every setting is an environment variable (README), and each platform's PORT is honoured.
ARG PYTHON=3.13

# With a compiler, for handshakes and frames in C.
FROM python:${PYTHON} AS build
WORKDIR /src
COPY requirements requirements
# Nothing is installed whose hash is not known: neither libraries nor what makes signald's own wheel.
RUN python3 -m venv /build \
 && /build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt \
 && python3 -m venv --without-pip /opt/signald \
 && python3 -m pip --python /opt/signald/bin/python install --no-cache-dir --require-hashes -r requirements/run.txt
COPY . .
RUN /build/bin/pip wheel --no-cache-dir --no-deps --no-index --no-build-isolation --wheel-dir /wheels . \
 && python3 -m pip --python /opt/signald/bin/python install --no-cache-dir --no-deps --no-index /wheels/signald-*.whl
# Twisted's list of plugins (twisted/plugins/dropin.cache): it could not be written later.
RUN /opt/signald/bin/twistd signald --version

FROM python:${PYTHON}-slim
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title="signald" \
      org.opencontainers.image.description="A WebRTC signaling and random-pairing daemon" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/signald /opt/signald
ENV PORT=8080 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /
USER 65532:65532
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/opt/signald/bin/python", "-Ic", "import http.client, os, sys; c = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
# twistd, but SIGTERM is heeded from the beginning: the first process of a container would not end by it.
ENTRYPOINT ["/opt/signald/bin/python", "-Pm", "signald"]
