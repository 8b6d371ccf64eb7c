# The worker. Debian, not Alpine: Temporal's native core is built for glibc only.
FROM node:22.23.2-bookworm-slim AS build
WORKDIR /app
# No install script is needed: the native core comes prebuilt, and the embedded servers are for development.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:22.23.2-bookworm-slim
# The native core checks TLS certificates (Temporal Cloud) against the system's.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
CMD ["node", "dist/worker.js"]
