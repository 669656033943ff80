# docker build -f docker/agent.Dockerfile -t gatehouse-agent .
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY . .
RUN npm ci --ignore-scripts && node scripts/build.mjs

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="Gatehouse agent" org.opencontainers.image.version="0.2.0" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /app/dist/agent/gatehouse-agent.mjs /usr/local/lib/gatehouse-agent.mjs
COPY --from=build /app/LICENSE /usr/local/share/doc/gatehouse-agent/LICENSE
# Process 1 has to reap what a program leaves behind, which Node cannot.
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
RUN mkdir -m 700 /state && chown node:node /state
ENV CONFIG_FILE=/state/agent.json
USER node
VOLUME /state
ENTRYPOINT ["tini", "--", "node", "/usr/local/lib/gatehouse-agent.mjs"]
