# erlctl with its tests, from this checkout: docker build -t erlctl .
#   docker run --rm -v "$PWD/runs:/runs" erlctl train /opt/erlctl/experiments/quickstart.yaml --runs-dir /runs
FROM python:3.12-slim
RUN apt-get update && apt-get install --yes --no-install-recommends git make && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/erlctl
# .git comes along (see .dockerignore): run.json of every run says the commit.
# The lock first: a change of the code does not install TensorFlow again.
COPY locks/erlctl.txt locks/
RUN pip install --no-cache-dir --no-deps --require-hashes -r locks/erlctl.txt
COPY . .
RUN pip install --no-cache-dir --no-deps -e .
ENV MPLCONFIGDIR=/tmp/matplotlib
ENTRYPOINT ["erlctl"]
