# The gateway with a Python kernel, as one container: what AutoGen's and AG2's DockerJupyterServer
# (custom_image_name) and other clients of a kernel gateway in a container expect. It listens on
# port 8888 and wants the token that TOKEN or KG_AUTH_TOKEN says.
#
#   docker build -t perijove -f docker/gateway.Dockerfile .
#   docker run --rm -p 127.0.0.1:8888:8888 -e TOKEN=secret perijove
#
# scripts/images makes the same without a registry.
FROM debian:bookworm AS build

COPY scripts /src/scripts
RUN mkdir /src/build && apt-get update && /src/scripts/install-packages build
COPY . /src
RUN /src/scripts/compile release perijove

FROM debian:bookworm-slim

RUN apt-get update \
 && apt-get install --yes --no-install-recommends \
      python3-ipykernel libzmq5 libssl3 libspdlog1.10 libfmt9 libseccomp2 zlib1g libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/build/release/perijove /usr/bin/perijove
COPY docker/entrypoint /usr/bin/perijove-entrypoint
RUN ln -s perijove /usr/bin/jupyter-kernelgateway

ENV LANG=C.UTF-8
WORKDIR /workspace
EXPOSE 8888
ENTRYPOINT ["perijove-entrypoint"]
