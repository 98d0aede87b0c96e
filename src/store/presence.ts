import { steadyNow } from '../lib/clock.ts';
import { CodedError, describeError } from '../lib/error.ts';
import { silentLogger, type Logger } from '../lib/logger.ts';
import type { Store, StoreLink } from './open.ts';
import type { StoreSession } from './session.ts';

export interface PresenceOptions {
  readonly store: Store;
  /** Unique to this daemon. */
  readonly holder: string;
  /** A statement that is not answered by then tells that the store does not answer; default 5 s. */
  readonly deadlineMs?: number | undefined;
  readonly logger?: Logger | undefined;
}

/** Whether the store answers. Times are steadyNow(). */
export interface StoreView {
  /** When it last did: a question that was answered was asked then. */
  readonly answeredAt: number | undefined;
  /** Why it does not, and since when. */
  readonly failure: { readonly error: CodedError; readonly since: number } | undefined;
}

const lockName = lockNameOf('?');

/** SQL for the name of a holder's lock. `kis:` and a hash: names of locks are short, and of the whole server. */
export function lockNameOf(holder: string): string {
  return `CONCAT('kis:', SHA2(${holder}, 224))`;
}

/**
 * The heartbeat of the store (L12), on a connection of its own: a named lock (GET_LOCK) shows others that this daemon is alive, and
 * that the statement is answered shows the daemon that the store is.
 *
 *     answers ──no answer within the deadline, connection lost──► silent ──a new connection answers──► answers
 *
 * Once it answers, it also tells which of the other connections are dead: this end waits for an answer, and at that end nothing is
 * under way. Those are cut, so that their owners make them anew; a statement that takes long is left alone.
 */
export class Presence {
  readonly #store: Store;
  readonly #holder: string;
  readonly #deadlineMs: number;
  readonly #logger: Logger;
  #session: StoreSession | undefined;
  #hasSharedLocks = true;
  #isClosed = false;
  #view: StoreView = { answeredAt: undefined, failure: undefined };
  /** Connections at whose other end nothing was under way when last looked at. */
  #suspects: ReadonlySet<StoreLink> = new Set();

  constructor({ store, holder, deadlineMs = 5000, logger = silentLogger }: PresenceOptions) {
    this.#store = store;
    this.#holder = holder;
    this.#deadlineMs = deadlineMs;
    this.#logger = logger;
  }

  get view(): StoreView {
    return this.#view;
  }

  /** False on a Galera cluster, whose nodes do not share such locks. */
  get hasSharedLocks(): boolean {
    return this.#hasSharedLocks;
  }

  /** One beat: resolves when the store has answered, rejects when it has not. A lost connection is made anew by the same beat. */
  async show(): Promise<void> {
    const at = steadyNow();
    try {
      const session = await this.#ask();
      this.#noteAnswer(at);
      await this.#cutDead(session);
    } catch (failure) {
      const error =
        failure instanceof CodedError ? failure : new CodedError('INTERNAL', describeError(failure), { cause: failure });
      if (!this.#isClosed) this.#noteSilence(error, at);
      throw error;
    }
  }

  /** Ends it; a beat that is under way is rejected. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#session?.close();
    this.#session = undefined;
  }

  async #ask(): Promise<StoreSession> {
    if (this.#isClosed) throw new CodedError('STORE_UNREACHABLE', 'The heartbeat of the store was closed', { class: 'retry' });
    if (this.#session !== undefined && !this.#session.isBroken) {
      try {
        await this.#lock(this.#session);
        return this.#session;
      } catch (error) {
        if (this.#isClosed) throw error;
        this.#session?.destroy();
        // nothing was heard: the others may be as dead, and so may the next one
        if (error instanceof CodedError && error.code === 'STORE_TIMEOUT') {
          this.#store.dropIdle();
          throw error;
        }
      }
    }
    const session = await this.#open();
    if (this.#isClosed) session.destroy();
    return (this.#session = session);
  }

  async #open(): Promise<StoreSession> {
    const session = await this.#store.openSession({ statementTimeoutMs: this.#deadlineMs, connectTimeoutMs: this.#deadlineMs });
    try {
      const { rows } = await session.query("SHOW VARIABLES LIKE 'wsrep_on'");
      this.#hasSharedLocks = !/^(ON|1)$/.test(String(rows[0]?.Value ?? 'OFF'));
      await this.#lock(session);
      return session;
    } catch (error) {
      session.destroy();
      throw error;
    }
  }

  /** Takes the lock where it has not got it: a connection before this one may have held it until now. */
  async #lock(session: StoreSession): Promise<void> {
    await session.query(`SELECT IF(IS_USED_LOCK(${lockName}) = CONNECTION_ID(), 1, GET_LOCK(${lockName}, 0)) AS got`, [
      this.#holder,
      this.#holder,
    ]);
  }

  #noteAnswer(at: number): void {
    if (this.#view.failure !== undefined) this.#logger.info({}, 'store answers again');
    this.#view = { answeredAt: at, failure: undefined };
  }

  #noteSilence(error: CodedError, at: number): void {
    const before = this.#view.failure;
    if (before === undefined) this.#logger.warn({ code: error.code, error: describeError(error) }, 'store does not answer');
    this.#view = { ...this.#view, failure: { error, since: before?.since ?? at } };
  }

  /** Cuts what was waiting for nothing at this look and at the one before. */
  async #cutDead(session: StoreSession): Promise<void> {
    const quiet = this.#store
      .links()
      .filter((link) => (link.quietMs ?? 0) >= this.#deadlineMs && link.threadId !== session.threadId);
    if (quiet.length === 0) {
      this.#suspects = new Set();
      return;
    }
    const ids = [session.threadId, ...quiet.map(({ threadId }) => threadId)];
    const { rows } = await session.query(
      `SELECT ID AS id, COMMAND AS command FROM information_schema.PROCESSLIST WHERE ID IN (${ids.join(', ')})`,
    );
    const commands = new Map(rows.map((row) => [Number(row.id), String(row.command)]));
    // where a proxy numbers its connections by itself, these numbers are of others
    if (!commands.has(session.threadId)) return;
    const idle = quiet.filter(({ threadId }) => /^sleep$/i.test(commands.get(threadId) ?? 'Sleep'));
    for (const link of idle) {
      if (!this.#suspects.has(link)) continue;
      this.#logger.warn({ connection: link.threadId }, 'connection to the store has gone dead, cut');
      link.destroy('has gone dead: the server knows of no statement on it whose answer could still come');
    }
    this.#suspects = new Set(idle);
  }
}
