# docker build --tag headwater .
# docker run --publish 8443:8443 --volume headwater:/var/lib/headwater headwater
# docker exec CONTAINER headwater list        every command works while the server runs

# Builds the program in an image with a compiler and Python: native modules need them if there is no binary for the platform.
FROM node:20-bookworm AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci
COPY build build
COPY src src
RUN npm run build && npm prune --omit=dev

FROM node:20-bookworm-slim
LABEL org.opencontainers.image.title="Headwater" \
      org.opencontainers.image.description="Image server and registry for system containers" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --system --gid 10001 headwater \
 && useradd --system --uid 10001 --gid headwater --home-dir /var/lib/headwater --shell /usr/sbin/nologin headwater \
 && install --directory --owner headwater --group headwater --mode 0700 /var/lib/headwater \
 && install --directory --mode 0755 /etc/headwater \
 && ln -s /opt/headwater/dist/main.js /usr/local/bin/headwater
WORKDIR /opt/headwater
COPY --from=build /src/package.json ./
COPY --from=build /src/node_modules node_modules
COPY --from=build /src/dist dist
# Example definitions of mirrors, all disabled. HEADWATER_MIRROR_DIR names a directory of your own.
COPY mirrors mirrors
RUN chmod 0755 dist/main.js

# Root owns the program's files; the service can write only to its data directory.
USER headwater
# NODE_OPTIONS and MALLOC_…: less memory is kept; config/headwater.service explains how.
ENV NODE_ENV=production \
    NODE_OPTIONS=--max-semi-space-size=8 \
    MALLOC_ARENA_MAX=1 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    MALLOC_MMAP_THRESHOLD_=32768 \
    HEADWATER_DATA_DIR=/var/lib/headwater \
    HEADWATER_LOG_FORMAT=json
VOLUME /var/lib/headwater
# Mount a configuration, if you have one, at /etc/headwater/headwater.yaml.
EXPOSE 8443

# The command asks the address on which the server listens.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
  CMD headwater health || exit 1

# Node.js as process 1 gets SIGTERM from `docker stop` and lets downloads finish (shutdownTimeout).
STOPSIGNAL SIGTERM
ENTRYPOINT ["headwater"]
CMD ["serve"]
