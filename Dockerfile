# One image for every process: web, dispatcher and consumers differ by their command alone.
FROM python:3.13.7-slim-bookworm AS packages
COPY requirements.txt .
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.txt

FROM python:3.13.7-slim-bookworm
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --uid 10001 --home-dir /app --shell /usr/sbin/nologin notifier
WORKDIR /app
COPY --from=packages /venv /venv
COPY manage.py ./
COPY config config
COPY notifier notifier
COPY consumers consumers
COPY templates templates
COPY locale locale
# The key signs nothing: it lives for this one command.
RUN SECRET_KEY=for-the-build-only python manage.py collectstatic --noinput && mkdir -p var/pictures && chown -R notifier var
USER notifier
EXPOSE 8000
CMD ["gunicorn", "config.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "8", \
     "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
