# What kernels need in containers (`perijove serve --isolation docker`): ipykernel, pip, and the libraries of
# kernels in C++ like those of this repository, one of which embeds Python. No user is made: the gateway
# says which one a kernel runs as. Packages for all kernels belong here.
#
#   docker build -t perijove-kernels -f docker/kernels.Dockerfile .
#
# scripts/images makes the same without a registry.
FROM debian:bookworm-slim

RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-ipykernel python3-pip libxeus6 libpython3.11 \
 && rm -rf /var/lib/apt/lists/*

ENV LANG=C.UTF-8
WORKDIR /workspace
