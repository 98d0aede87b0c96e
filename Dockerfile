# kisflow in a container. Places that reach no public registry give their own base image:
#   docker build --build-arg NODE_IMAGE=registry.example/node:24-bookworm-slim --build-arg NPM_REGISTRY=https://registry.example/npm/ .
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS build
ARG NPM_REGISTRY=https://registry.npmjs.org/
WORKDIR /app
COPY package.json package-lock.json tsconfig.json tsconfig.build.json ./
# The build is a step of its own, so that dependencies stay cached while only the source changes.
RUN npm ci --registry=$NPM_REGISTRY --ignore-scripts --no-audit --no-fund
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM ${NODE_IMAGE}
ENV NODE_ENV=production
WORKDIR /app
# As an installed package stands: `npx kisflow` and "import 'kisflow'" work below /app. From /app itself npx would build the package anew.
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/package.json ./node_modules/kisflow/
COPY --from=build /app/dist ./node_modules/kisflow/dist
COPY demo ./demo
RUN ln -s ../kisflow/dist/main.js node_modules/.bin/kisflow && ln -s /app/node_modules/kisflow/dist/main.js /usr/local/bin/kisflow
USER node
WORKDIR /app/demo
# For any project; one with http.listen asks /readyz instead, as docker-compose.yml does. Not oftener: each starts a process.
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 CMD ["kisflow", "status"]
ENTRYPOINT ["kisflow"]
CMD ["run"]
