# kisflow in a container. Places that reach no public registry give their own base image:
#   docker build --build-arg NODE_IMAGE=registry.example/node:24-bookworm-slim .
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json tsconfig.json tsconfig.build.json ./
# The build is a step of its own, so that dependencies stay cached while only the source changes.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY demo ./demo
# Functions import 'kisflow': it resolves by the package's own name, and for folders mounted elsewhere through this link.
RUN ln -s /app/dist/main.js /usr/local/bin/kisflow && ln -s /app /app/node_modules/kisflow
USER node
WORKDIR /app/demo
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["kisflow", "status"]
ENTRYPOINT ["kisflow"]
CMD ["run"]
