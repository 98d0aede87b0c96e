/** Why a private server could not be had. */
export type ServerErrorCode = 'SERVER_NOT_FOUND' | 'SERVER_FAILED';

/**
 * SERVER_NOT_FOUND: this machine has no such server and no way to install one; the message says what to install.
 * SERVER_FAILED: the server is here but did not start, stop or answer; the message ends with its log's last lines.
 */
export class ServerError extends Error {
  readonly code: ServerErrorCode;

  constructor(code: ServerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ServerError';
    this.code = code;
  }
}
