/** The part of the error catalogue that only requests of the HTTP API end in. */
export const requestCodes = {
  REQUEST_INVALID: {
    meaning: 'A request of the HTTP API is not what its operation takes.',
    remedy: 'The message names the parameter or the key; `/api/v1/openapi.json` describes every operation.',
  },
  REQUEST_UNAUTHORIZED: {
    meaning: 'A request of the HTTP API lacks the token, or has another one.',
    remedy: 'Send `Authorization: Bearer …` with the http.token of the configuration.',
  },
  REQUEST_FORBIDDEN: {
    meaning:
      'The HTTP API does not answer this request: without http.token it only reads, for this machine only, and it never answers other web pages or names that are not its own.',
    remedy: 'The message says which of these it is; mostly: configure http.token and send it.',
  },
  REQUEST_PATH_UNKNOWN: {
    meaning: 'The HTTP API has no such path.',
    remedy: '`/api/v1/openapi.json` lists them.',
  },
  REQUEST_METHOD: {
    meaning: 'The path of the HTTP API does not take this method.',
    remedy: 'Use one that the Allow header of the answer names.',
  },
  REQUEST_TOO_LARGE: {
    meaning: 'The body of a request of the HTTP API is longer than 64 KB.',
    remedy: 'Send fewer at a time.',
  },
  REQUEST_MEDIA_TYPE: {
    meaning: 'A request of the HTTP API that changes something is not declared as JSON.',
    remedy: 'Send `Content-Type: application/json`, without a body too.',
  },
  API_BUSY: {
    meaning: 'The HTTP API has as many requests under way as it takes.',
    remedy: 'Ask again after the seconds of the Retry-After header. Where it stays: the store is slow to answer.',
  },
} as const satisfies Record<string, { readonly meaning: string; readonly remedy: string }>;
