# docker build -f docker/server.Dockerfile -t gatehouse .
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY . .
RUN npm ci --ignore-scripts && node scripts/build.mjs && npm prune --omit=dev --ignore-scripts

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="Gatehouse" org.opencontainers.image.version="0.2.0" org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /app
# The embedded PostgreSQL makes its library links beside its binaries, so they belong to the user that runs it.
COPY --from=build --chown=node:node /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/libs/agent libs/agent
COPY docker/healthcheck.mjs docker/
COPY docker/admin /usr/local/bin/
COPY --from=build /app/package.json /app/LICENSE ./
RUN mkdir /data && chown node:node /data
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/data
USER node
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["node", "docker/healthcheck.mjs"]
# A larger young generation, as `npm start` has it: a fifth less processor time per claim, for at most 48 MB.
CMD ["node", "--max-semi-space-size=32", "dist/server/main.js"]
