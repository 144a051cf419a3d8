# One image for the web and the worker; the command tells which.

# ---- build: the packages, checked against their hashes, in a virtual environment without pip
FROM python:3.13-slim-bookworm AS build
COPY requirements.txt /tmp/requirements.txt
RUN python3 -m venv --without-pip /opt/venv \
 && python3 -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
      --require-hashes --only-binary :all: -r /tmp/requirements.txt \
 # The allocator of the embedded server, which the image does not start: 30 MB.
 && python3 -m pip --python /opt/venv/bin/python uninstall --yes --quiet tbb tcmlib \
 # The packages' own tests are a fifth of their size.
 && find /opt/venv -type d -name tests -prune -exec rm -rf {} +

# ---- run: the interpreter, the packages and our files; no compiler, no root
FROM python:3.13-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    FANOUT_BIND=0.0.0.0 \
    PORT=8080
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin fanout
WORKDIR /srv/fanout
COPY --from=build /opt/venv /opt/venv
COPY config config
COPY templates templates
COPY static static
COPY app app
USER 10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=2)"]
CMD ["gunicorn", "-c", "config/gunicorn.conf.py", "app.main:create_app()"]
